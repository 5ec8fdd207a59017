"""A visit that is created and changed within one window of the index is one notification. A source
that lags may still show its first state when it is asked.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

import pytest

from composer.candidates import Limits
from composer.lagging import LaggingSources
from shared.base.errors import Unavailable
from shared.booking.messages import BookingChange, FetchedBooking
from tests.unit.composer_world import (
    LATER,
    NOW,
    OPEN_CALL,
    OTHER_UNIT,
    PATIENCE,
    VISIT,
    WINDOW,
    KnownSource,
    World,
    but,
    key,
)
from tests.unit.told_visits import RENUMBERED_A, A, B, C

B_MOVED = key("B", OTHER_UNIT)
CALLED = key("called")
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


def lagging(world: Asking) -> None:
    """The source has shown something late; the patient was told of A."""
    world.hear(A)
    world.source = {A.digest: VISIT}
    world.pass_time()


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


def test_a_rebooking_that_overtakes_its_booking_is_one_message(world: Asking) -> None:
    """The source still shows what was removed when the creation of it comes at last."""
    lagging(world)
    world.notify((B, True), (C, False))
    world.create(B, FIRST)
    world.source = {A.digest: VISIT, C.digest: LATER}
    world.pass_time(2 * PATIENCE)
    assert world.kinds[1:] == ["booking_confirmation"]
    assert world.believed(C) == LATER


@pytest.mark.parametrize("apart", [False, True])
def test_a_visit_that_moves_there_and_back_is_changed_twice(world: Asking, *, apart: bool) -> None:
    lagging(world)
    world.create(B, FIRST)
    world.pass_time(timedelta(minutes=10))
    world.rebook(B, B_MOVED, LATER)
    world.pass_time(timedelta(seconds=12))
    if apart:
        world.create(B, VISIT)
        world.pass_time(timedelta(seconds=1))
        world.remove(B_MOVED)
    else:
        world.rebook(B_MOVED, B, VISIT)
    world.pass_time(2 * PATIENCE)
    assert world.kinds[1:] == ["booking_confirmation", "changed_time", "changed_time"]


def test_what_is_created_again_after_a_removal_is_announced_in_the_end(world: Asking) -> None:
    lagging(world)
    world.remove(B)
    world.create(B, FIRST)
    world.pass_time(2 * PATIENCE)
    assert world.kinds[1:] == ["booking_confirmation"]
    assert world.believed(B) == FIRST


def test_a_new_number_whose_removal_overtakes_it_hides_no_cancellation(world: Asking) -> None:
    lagging(world)
    world.hear(RENUMBERED_A, deleted=True)
    world.source = {RENUMBERED_A.digest: VISIT}
    world.notify((A, True), (RENUMBERED_A, False))
    world.at(world.now + timedelta(seconds=60), world.source.clear)
    world.pass_time(timedelta(minutes=30))
    assert world.kinds[1:] == ["booking_confirmation", "cancellation"]


def test_a_number_that_comes_back_meanwhile_is_announced(world: Asking) -> None:
    lagging(world)
    world.remove(A)
    world.pass_time()
    world.hear(A)
    world.hear(RENUMBERED_A, deleted=True)
    world.pass_time(timedelta(seconds=5))
    world.source = {RENUMBERED_A.digest: VISIT}
    world.notify((A, True), (RENUMBERED_A, False))
    world.pass_time(timedelta(seconds=20))
    world.source = {A.digest: LATER}
    world.pass_time(timedelta(minutes=30))
    assert world.believed(A) == LATER


def test_a_call_is_not_answered_by_what_is_not_believed_yet(world: Asking) -> None:
    lagging(world)
    world.create(CALLED, OPEN_CALL)
    world.pass_time()
    world.remove(CALLED)
    world.hear(B, deleted=True)
    unnamed = but(VISIT, care_type_name="", performer_name="", time_type_name="")
    world.create(B, unnamed)
    world.at(world.now + timedelta(seconds=100), partial(world.source.pop, B.digest))
    world.pass_time(timedelta(minutes=30))
    assert world.kinds[1:] == ["open_call", "cancellation"]


def test_a_source_that_answers_as_the_index_says_is_asked_once(world: Asking) -> None:
    world.create(A, VISIT)
    world.create(B, FIRST)
    world.pass_time()
    assert (world.asks, world.kinds) == (2, ["booking_confirmation"] * 2)


def test_it_is_known_after_a_start_and_to_every_other_composer(world: Asking) -> None:
    lagging(world)
    world.lagging.report()
    world.start_composer()
    assert created_and_moved_at_once(world) == ["booking_confirmation", "changed_time"]


def test_a_source_that_was_not_late_for_an_hour_lags_no_longer() -> None:
    now = NOW
    sources = LaggingSources(lambda _seen: None, clock=lambda: now)
    sources.add("se123-a")
    known = KnownSource(NOW)
    now = NOW + timedelta(minutes=59)
    assert sources.lags("SE123-A", None)
    assert sources.lags("SE123-B", known)
    assert not sources.lags("SE123-B", KnownSource())
    now = NOW + timedelta(minutes=60)
    assert not sources.lags("SE123-A", known)


def test_what_could_not_be_stored_is_stored_the_next_time() -> None:
    stored: list[Mapping[str, datetime]] = []
    away = True

    def store(seen: Mapping[str, datetime]) -> None:
        if away:
            raise Unavailable("database_unavailable")
        stored.append(seen)

    sources = LaggingSources(store, clock=lambda: NOW)
    sources.report()
    sources.add("se123-a")
    with pytest.raises(Unavailable):
        sources.report()
    away = False
    sources.add("SE123-B")
    assert [sources.report(), sources.report()] == [{}, {}]
    assert stored == [{"SE123-A": NOW, "SE123-B": NOW}]
