"""A source that shows a change later than the index says it."""

from datetime import timedelta

import pytest

from tests.unit.composer_world import (
    LATER,
    PATIENCE,
    VISIT,
    World,
)
from tests.unit.told_visits import (
    A,
    told_of_a,
)


@pytest.fixture
def world() -> World:
    return told_of_a()


@pytest.mark.parametrize("seconds", [1, 6, 30, 100, 119])
def test_a_removal_that_the_source_shows_late_is_announced(world: World, seconds: int) -> None:
    world.hear(A, deleted=True)
    world.pass_time(timedelta(seconds=seconds))
    assert world.kinds[1:] == []
    world.source.pop(A.digest)
    world.pass_time()
    assert world.kinds[1:] == ["cancellation"]


@pytest.mark.parametrize("seconds", [1, 6, 30, 100, 119])
def test_a_move_that_the_source_shows_late_is_announced(world: World, seconds: int) -> None:
    world.hear(A)
    world.pass_time(timedelta(seconds=seconds))
    world.source[A.digest] = LATER
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


def test_the_first_state_that_is_shown_may_be_that_of_an_earlier_notification() -> None:
    """The creation was not shown, and the change of it is not shown yet when it is."""
    world = World()
    world.hear(A)
    world.asked.clear()
    world.waiting.clear()  # its next look comes late
    world.pass_time(PATIENCE + timedelta(seconds=10))
    world.source[A.digest] = VISIT
    world.hear(A)
    world.pass_time(timedelta(seconds=1))
    world.source[A.digest] = LATER
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time"]


@pytest.mark.parametrize("seconds", [1, 6, 30, 100, 119])
def test_a_creation_that_the_source_shows_late_is_announced(seconds: int) -> None:
    world = World()
    world.hear(A)
    world.pass_time(timedelta(seconds=seconds))
    world.source[A.digest] = VISIT
    world.pass_time()
    assert world.kinds == ["booking_confirmation"]


def test_it_is_asked_at_growing_intervals_and_then_believed(world: World) -> None:
    looks: list[float] = []
    began = world.now
    fetch = world.fetch
    world.fetch = lambda m: looks.append((world.now - began).total_seconds()) or fetch(m)  # type: ignore
    world.take((A, True))
    world.hand(fetch(world.take((A, True))[-1]))
    world.pass_time(timedelta(hours=1))
    assert [round(seconds) for seconds in looks] == [5, 15, 45, 120]
    assert world.outcomes[-1] == "still_booked"
    assert world.kinds[1:] == []


def test_a_correction_of_key_attributes_is_believed_at_once(world: World) -> None:
    message = world.take((A, False))[-1].model_copy(update={"corrected": True})
    world.hand(world.fetch(message))
    assert world.outcomes[-1] == "unchanged"
    assert world.waiting == []


def test_while_a_later_notification_is_looked_into_an_earlier_one_is_not(world: World) -> None:
    world.hear(A)
    world.pass_time(timedelta(seconds=2))
    world.hear(A)
    world.pass_time()
    assert world.outcomes[1:] == ["stale", "unchanged"]


def test_a_removal_is_not_lost_when_an_earlier_change_is_fetched_after_it(world: World) -> None:
    change = world.take((A, False))[-1]
    removal = world.ask_about(A, deleted=True)
    world.source.pop(A.digest)
    world.hand(removal)
    world.hand(world.fetch(change))
    world.pass_time()
    assert world.kinds[1:] == ["cancellation"]
