"""A visit that is created and changed within one window of the index is one notification. A source
that lags may still show its first state when it is asked.
"""

from datetime import timedelta

import pytest

from composer.candidates import Limits
from composer.lagging import LaggingSources
from shared.booking.messages import BookingChange, FetchedBooking
from tests.unit.composer_world import LATER, NOW, PATIENCE, VISIT, WINDOW, World, but, key

A, B = key("A"), key("B")
FIRST = but(VISIT, starts="20261224090000", ends="")


class Asking(World):
    """Counts how often the source is asked."""

    asks = 0

    def fetch(self, message: BookingChange) -> FetchedBooking:
        self.asks += 1
        return super().fetch(message)


@pytest.fixture
def world() -> Asking:
    return Asking(limits=Limits(WINDOW, PATIENCE))


def created_and_moved_at_once(world: Asking) -> list[str]:
    """What is announced of a visit whose second time the source shows after it was asked."""
    before = len(world.kinds)
    world.create(B, FIRST)
    world.source[B.digest] = LATER
    world.pass_time()
    return world.kinds[before:]


def test_of_a_source_that_showed_a_creation_late_the_second_time_is_announced_too(
    world: Asking,
) -> None:
    world.hear(A)
    world.source = {A.digest: VISIT}
    world.pass_time()
    assert created_and_moved_at_once(world) == ["booking_confirmation", "changed_time"]
    assert world.believed(B) == LATER


def test_of_a_source_that_showed_a_removal_late_it_is_too(world: Asking) -> None:
    world.create(A, VISIT)
    world.hear(A, deleted=True)
    world.source = {}
    world.pass_time()
    assert world.kinds[1:] == ["cancellation"]
    assert created_and_moved_at_once(world) == ["booking_confirmation", "changed_time"]


def test_of_a_source_that_showed_a_move_late_it_is_too(world: Asking) -> None:
    world.create(A, VISIT)
    world.hear(A)
    world.source = {A.digest: LATER}
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]
    assert created_and_moved_at_once(world) == ["booking_confirmation", "changed_time"]


def test_a_source_that_answers_as_the_index_says_is_asked_once(world: Asking) -> None:
    world.create(A, VISIT)
    world.create(B, FIRST)
    world.pass_time()
    assert (world.asks, world.kinds) == (2, ["booking_confirmation"] * 2)


def test_a_source_that_was_not_late_for_an_hour_lags_no_longer() -> None:
    times = [NOW, NOW + timedelta(minutes=59), NOW + timedelta(minutes=60)]
    sources = LaggingSources(clock=lambda: times.pop(0))
    sources.add("se123-a")
    assert "SE123-A" in sources
    assert "SE123-A" not in sources
    assert "SE123-B" not in sources
