"""Rebookings whose removal and creation come in requests of their own."""

from datetime import timedelta

import pytest

from tests.unit.composer_world import (
    LATER,
    LIMITS,
    NOW,
    OPEN_CALL,
    OTHER_UNIT,
    PATIENCE,
    SOON,
    VISIT,
    WINDOW,
    World,
    key,
)
from tests.unit.told_visits import (
    CANCELLED_AND_NEW,
    ELSEWHERE,
    LATER_STILL,
    OLD_TIME,
    A,
    B,
    C,
    announced_as_rebooked,
    told_of_a,
)


@pytest.fixture
def world() -> World:
    return told_of_a()


def test_removed_and_then_created(world: World) -> None:
    world.remove(A)
    world.pass_time(timedelta(seconds=5))
    world.create(B, LATER)
    assert world.outcomes[-1] == "waiting_for_pair"
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time"]
    assert announced_as_rebooked(world)
    assert world.outcomes[-1] == "paired"


def test_removed_and_then_created_at_another_unit(world: World) -> None:
    world.remove(A)
    world.create(key("B", OTHER_UNIT), ELSEWHERE)
    world.pass_time()
    assert sorted(world.kinds[1:]) == CANCELLED_AND_NEW


def test_created_and_removed_with_nothing_else_new(world: World) -> None:
    world.remove(A)
    world.create(B, VISIT)
    world.pass_time()
    assert world.kinds == ["booking_confirmation"]
    world.remove(B)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "cancellation"]


def test_too_far_apart_is_no_pair(world: World) -> None:
    world.remove(A)
    world.pass_time(WINDOW + timedelta(seconds=5))
    world.create(B, LATER)
    world.pass_time()
    assert world.kinds[1:] == ["cancellation", "booking_confirmation"]


def test_the_distance_is_that_of_the_notifications_and_not_of_our_own_delays(world: World) -> None:
    world.source.pop(A.digest)
    removal = world.ask_about(A, deleted=True, received_at=NOW)
    world.source[B.digest] = LATER
    creation = world.ask_about(B, received_at=NOW + timedelta(minutes=40))
    world.hand(removal)
    world.hand(creation)
    world.pass_time()
    assert sorted(world.kinds[1:]) == CANCELLED_AND_NEW


def test_an_open_call_takes_no_visits_place(world: World) -> None:
    world.remove(A)
    world.create(B, OPEN_CALL)
    world.pass_time()
    assert world.kinds[1:] == ["open_call", "cancellation"]


def test_a_passed_visit_is_not_rebooked() -> None:
    world = World()
    world.create(A, SOON)
    world.pass_time(timedelta(minutes=2))
    world.remove(A)
    world.create(B, LATER)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]


def test_the_creation_on_hold_is_removed_again(world: World) -> None:
    world.remove(A)
    world.create(B, LATER)
    world.remove(B)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "cancellation"]
    assert OLD_TIME in world.newest.body_text


def test_the_creation_on_hold_changes_meanwhile(world: World) -> None:
    world.remove(A)
    world.create(B, LATER_STILL)
    world.create(B, LATER)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time"]
    assert announced_as_rebooked(world)


def test_the_removed_booking_is_back_while_the_creation_is_on_hold(world: World) -> None:
    world.remove(A)
    world.create(B, LATER)
    world.create(A, VISIT)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]


def test_both_handed_out_twice_are_announced_once(world: World) -> None:
    removal = world.remove(A)
    creation = world.create(B, LATER)
    world.hand(removal)
    world.hand(creation)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time"]


def test_a_creation_sent_again_after_the_removal_does_not_part_the_pair(world: World) -> None:
    removed_at = world.remove(A).received_at
    world.pass_time(WINDOW / 2)
    sent_again = world.hear(A).received_at
    world.create(B, LATER)
    world.pass_time(removed_at + WINDOW + timedelta(seconds=5) - world.now)
    assert world.kinds == ["booking_confirmation"]  # the source may yet show that A is back
    world.pass_time(sent_again + PATIENCE + timedelta(seconds=10) - world.now)
    assert world.kinds == ["booking_confirmation", "changed_time"]


def test_the_removal_does_not_wait_for_ever_for_a_creation_that_was_lost(world: World) -> None:
    world.remove(A)
    world.create(B, LATER)
    world.waiting = [entry for entry in world.waiting if entry[1].deleted]
    world.pass_time(WINDOW + LIMITS.longest_wait + timedelta(seconds=10))
    assert world.kinds == ["booking_confirmation", "cancellation"]


def test_two_rebookings_one_after_the_other(world: World) -> None:
    world.remove(A)
    world.create(B, LATER)
    world.pass_time()
    world.remove(B)
    world.create(C, LATER_STILL)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time", "changed_time"]
