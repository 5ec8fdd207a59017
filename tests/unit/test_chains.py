"""Chains of rebookings, whose halves come far apart or whose source is behind: each new time is
announced once, and of each visit that is gone its patient is told.
"""

from datetime import timedelta
from functools import partial
from itertools import permutations
from typing import Any

import pytest

from composer.candidates import Limits
from shared.booking.identity import BookingKey
from tests.unit.composer_world import (
    CALL,
    LATER,
    OTHER_UNIT,
    PATIENCE,
    VISIT,
    WINDOW,
    Elsewhere,
    World,
    but,
    key,
)
from tests.unit.told_visits import MOVED_A, NEW_NUMBER, RENUMBERED_A, A, B, C

MOVED_AGAIN_A = key("A", "SE2321000016-3DEF")
NEXT = but(VISIT, starts="20261217090000", ends="")


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.fixture
def world() -> World:
    """Sources are fast, and the patient was told of booking A a day ago."""
    world = World(limits=Limits(WINDOW, patience=seconds(15)))
    world.create(A, VISIT)
    world.pass_time(timedelta(days=1))
    return world


def create_before_removal_is_known(world: World, old: BookingKey, new: BookingKey) -> None:
    """Announced as a visit of its own: its source has both."""
    assert old.digest in world.source
    world.create(new, but(LATER, unit=new.logical_address))
    world.pass_time(seconds(30))
    assert world.kinds[-1] == "booking_confirmation"


def test_the_end_of_a_chain_is_announced_as_the_end_of_one_change(world: World) -> None:
    create_before_removal_is_known(world, A, MOVED_A)
    [removal_of_a] = world.take((A, True))
    del world.source[A.digest]
    world.pass_time(seconds(20))
    world.remove(MOVED_A)
    world.pass_time(seconds(20))
    world.create(MOVED_AGAIN_A, but(NEXT, unit=MOVED_AGAIN_A.logical_address))
    world.hand(world.fetch(removal_of_a))
    world.pass_time()
    assert world.kinds[2:] == ["changed_time", "cancellation"]
    assert "17 december" in world.newest.body_text
    assert "Kontakta mottagningen" not in world.newest.body_text
    assert (world.believed(A), world.believed(MOVED_A)) == (None, None)


def test_the_end_of_a_chain_that_changes_nothing_is_silent(world: World) -> None:
    create_before_removal_is_known(world, A, MOVED_A)
    [removal_of_a] = world.take((A, True))
    del world.source[A.digest]
    world.remove(MOVED_A)
    world.create(MOVED_AGAIN_A, VISIT)
    world.hand(world.fetch(removal_of_a))
    world.pass_time()
    assert world.kinds[2:] == ["changed_time"]


@pytest.mark.parametrize("is_removed", [True, False])
@pytest.mark.parametrize("middle", [B, MOVED_A], ids=["at its unit", "at another unit"])
def test_who_comes_after_a_change_that_is_not_announced_yet_waits_for_it(
    world: World, middle: BookingKey, is_removed: bool
) -> None:
    """The next visit is created before the removal of the one in between, or beside that."""
    unit = middle.logical_address
    end, in_between = key("C", unit), but(LATER, unit=unit)
    world.source = {middle.digest: in_between}
    removal, creation = map(world.fetch, world.take((middle, False), (A, True)))
    world.hand(creation)
    world.hand(removal)
    world.pass_time(seconds(0.4))
    world.create(end, but(NEXT, unit=unit))
    assert world.kinds[1:] == []
    world.pass_time(seconds(0.8))
    if is_removed:
        world.remove(middle)
    world.pass_time()
    others = [] if is_removed else ["booking_confirmation"]
    assert world.kinds[1:] == ["changed_time", *others]
    assert world.believed(middle) == (None if is_removed else in_between)
    assert (world.believed(A), world.believed(end)) == (None, but(NEXT, unit=unit))


def test_who_comes_long_after_such_a_change_does_not_wait(world: World) -> None:
    """The creation of the one in between is stuck on its way."""
    world.source = {B.digest: LATER}
    removal, creation = map(world.fetch, world.take((B, False), (A, True)))
    world.hand(creation)
    world.waiting.clear()
    world.hand(removal)
    world.pass_time(WINDOW + seconds(10))
    world.create(C, NEXT)
    assert world.kinds[1:] == ["booking_confirmation"]


def test_a_visit_that_was_booked_back_is_named_as_standing(world: World) -> None:
    """Its creation comes before the removal of what took its place."""
    world.rebook(A, B, LATER)
    world.pass_time(seconds(66))
    del world.source[B.digest]
    world.create(A, VISIT)
    world.pass_time(seconds(2))
    world.remove(B)
    world.pass_time()
    assert world.kinds[1:] == ["changed_time", "booking_confirmation", "cancellation"]
    assert "Den här tiden gäller: torsdag 3 december" in world.newest.body_text
    assert "Kontakta mottagningen" not in world.newest.body_text
    back, cancelled = world.inbox.messages[-2:]
    assert back.calendar_uid != cancelled.calendar_uid


def test_a_call_that_became_a_booking_is_not_new(world: World) -> None:
    world.create(B, CALL)
    world.pass_time()
    world.create(B, but(CALL, is_call_letter=False))
    world.remove(A)
    world.pass_time()
    assert world.kinds[-1] == "cancellation"
    assert "Kontakta mottagningen" in world.newest.body_text


# --- person numbers ---

CANCELLED = ["booking_confirmation", "cancellation"]


def renumber(world: World, old: BookingKey, new: BookingKey) -> None:
    world.source[new.digest] = VISIT
    world.source[old.digest] = Elsewhere(of_another_patient=True)
    world.notify((old, True), (new, False))


def test_a_number_that_its_source_denies_takes_over_nothing(world: World) -> None:
    """The index sends an old creation with the removal that cancels the visit."""
    renumber(world, A, RENUMBERED_A)
    del world.source[RENUMBERED_A.digest], world.source[A.digest]
    world.notify((RENUMBERED_A, True), (A, False))
    world.pass_time()
    assert (world.kinds[1:], world.newest.patient) == (CANCELLED, NEW_NUMBER)
    assert world.believed(A) is None


#: What is said in each request of a rebooking A to B, whose B moves to another unit before it is
#: announced, and after how many seconds.
MOVED_B = key("B", OTHER_UNIT)
LAST_STEP_IS_A_MOVE = {
    "one request": [(0, (A, True), (B, True), (MOVED_B, False))],
    "two": [(0, (A, True), (B, False)), (1, (B, True), (MOVED_B, False))],
    "three": [(0, (A, True)), (1, (B, False)), (2, (B, True), (MOVED_B, False))],
    "each by itself": [(0, (A, True)), (1, (B, False)), (1, (B, True)), (1, (MOVED_B, False))],
    "the creation first": [(0, (A, True)), (1, (B, False)), (1, (MOVED_B, False)), (1, (B, True))],
}


@pytest.mark.parametrize("lag", [0, 2])
@pytest.mark.parametrize("said", LAST_STEP_IS_A_MOVE.values(), ids=LAST_STEP_IS_A_MOVE)
def test_a_chain_whose_last_step_is_a_move_is_one_change(
    world: World, said: list[Any], lag: float
) -> None:
    world.source = {}
    for after, *engagements in said:
        world.pass_time(seconds(after))
        there = {each.digest: LATER for each, deleted in engagements if not deleted}
        if there:
            world.at(world.now + seconds(lag), partial(setattr, world, "source", there))
            world.pass_time(seconds(0))
        world.notify(*engagements)
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]
    assert (world.believed(A), world.believed(MOVED_B)) == (None, LATER)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_chain_whose_last_step_is_a_move_is_one_change_in_whatever_order_it_is_judged(
    world: World, order: tuple[int, ...]
) -> None:
    """All of it was taken, each by itself, before any of it is judged."""
    said = [(A, True), (B, False), (B, True), (MOVED_B, False)]
    taken = [change for each in said for change in world.take(each)]
    world.source = {MOVED_B.digest: LATER}
    fetched = [world.fetch(change) for change in taken]
    for number in order:
        world.hand(fetched[number])
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]
    assert (world.believed(A), world.believed(MOVED_B)) == (None, LATER)


def test_what_moved_away_from_the_unit_takes_the_place_of_no_other_kind_of_visit(
    world: World,
) -> None:
    other = but(LATER, care_type_name="Fotvård")
    world.source = {MOVED_B.digest: other}
    world.notify((A, True), (B, True), (MOVED_B, False))
    world.pass_time()
    assert sorted(world.kinds[1:]) == ["booking_confirmation", "cancellation"]


def test_a_removal_that_overtakes_its_creation_is_no_less_a_cancellation(world: World) -> None:
    """Both are taken before either is judged, and the source shows the removal last."""
    world.source = {}
    removal = [world.fetch(each) for each in world.take((MOVED_A, True))]
    world.source = {MOVED_A.digest: LATER}
    move = [world.fetch(each) for each in world.take((A, True), (MOVED_A, False))]
    world.source = {}
    for each in (*removal, *move):
        world.hand(each)
    world.pass_time()
    assert world.kinds[1:] == ["changed_time", "cancellation"]


@pytest.mark.parametrize("came_back", [True, False])
def test_two_numbers_that_nobody_was_told_of_do_not_wait_for_each_other(came_back: bool) -> None:
    """The number changes before the source has shown the visit, which is removed at once."""
    world = World(limits=Limits(WINDOW, PATIENCE))
    nobody_known = Elsewhere(of_another_patient=True)
    world.source = {A.digest: nobody_known, RENUMBERED_A.digest: nobody_known}
    world.notify((A, False))
    world.pass_time(seconds(3))
    world.notify((A, True), (RENUMBERED_A, False))
    world.pass_time(seconds(3))
    world.notify((RENUMBERED_A, True), *[(A, False)] * came_back)
    world.pass_time(PATIENCE + 2 * WINDOW)
    assert (world.agenda, world.kinds) == ([], [])


def test_an_old_creation_under_the_former_number_hides_no_cancellation(world: World) -> None:
    """It is sent after the removal that cancels the visit."""
    world.create(A, LATER)
    renumber(world, A, RENUMBERED_A)
    world.pass_time(seconds(2))
    del world.source[RENUMBERED_A.digest], world.source[A.digest]
    world.hear(RENUMBERED_A, deleted=True)
    world.pass_time(seconds(6))
    world.hear(A)
    world.pass_time()
    assert (world.kinds[2:], world.newest.patient) == (CANCELLED, NEW_NUMBER)


@pytest.mark.parametrize("together", [True, False])
def test_a_number_that_came_back_by_an_old_creation_alone_hides_no_cancellation(
    together: bool,
) -> None:
    """The window of the removals is over before the source is believed that it is not back."""
    world = World()
    world.create(A, VISIT)
    world.pass_time(seconds(0.7))
    world.source[A.digest] = Elsewhere(of_another_patient=True)
    world.create(RENUMBERED_A, VISIT)
    world.pass_time(seconds(0.6))
    world.source = {}
    if together:
        world.notify((A, True), (RENUMBERED_A, True))
    else:
        world.hear(A, deleted=True)
        world.hear(RENUMBERED_A, deleted=True)
    world.pass_time(seconds(9))
    world.hear(A)
    world.pass_time(timedelta(hours=1))
    assert (world.kinds[1:], world.newest.patient) == (CANCELLED, NEW_NUMBER)
    assert (world.believed(A), world.believed(RENUMBERED_A)) == (None, None)


def test_all_old_updates_of_the_former_number_hide_no_cancellation() -> None:
    """Its creation and its removal, some time apart."""
    world = World()
    world.create(A, VISIT)
    world.pass_time(seconds(10))
    world.source[A.digest] = Elsewhere(of_another_patient=True)
    world.hear(A, deleted=True)
    world.pass_time(seconds(1))
    world.create(RENUMBERED_A, VISIT)
    world.pass_time(seconds(3))
    world.source = {}
    world.hear(RENUMBERED_A, deleted=True)
    world.pass_time(seconds(0.3))
    world.hear(A)
    world.pass_time(seconds(59))
    world.hear(A, deleted=True)
    world.pass_time(timedelta(hours=1))
    assert (world.kinds[1:], world.newest.patient) == (CANCELLED, NEW_NUMBER)


def test_a_removal_that_is_handed_out_again_hides_no_cancellation() -> None:
    """It has ended, and waits for nothing when the visit is cancelled under the new number."""
    world = World()
    world.create(A, VISIT)
    world.pass_time(seconds(10))
    world.source = {RENUMBERED_A.digest: VISIT, A.digest: Elsewhere(of_another_patient=True)}
    removal, _ = world.notify((A, True), (RENUMBERED_A, False))
    world.pass_time(seconds(2))
    world.source = {}
    world.hear(RENUMBERED_A, deleted=True)
    world.pass_time(seconds(1))
    world.hear(A)
    world.hand(removal)
    world.pass_time(timedelta(hours=1))
    assert (world.kinds[1:], world.newest.patient) == (CANCELLED, NEW_NUMBER)


def test_an_old_creation_that_is_denied_while_its_removal_is_open_is_waited_for_no_longer(
    world: World,
) -> None:
    """It stays pending, since the removal before it is not decided."""
    world.source[RENUMBERED_A.digest] = VISIT
    world.source[A.digest] = Elsewhere(of_another_patient=True)
    world.hear(A, deleted=True)
    world.pass_time(seconds(20))
    world.hear(A)
    world.pass_time(seconds(20))
    world.hear(RENUMBERED_A)
    world.pass_time(seconds(2))
    del world.source[RENUMBERED_A.digest], world.source[A.digest]
    world.hear(RENUMBERED_A, deleted=True)
    world.pass_time(timedelta(hours=1))
    assert world.kinds[-1] == "cancellation"
    assert world.believed(RENUMBERED_A) is None


def test_a_visit_is_cancelled_under_the_number_that_got_it() -> None:
    """The removal under the old number comes after the window; it is told there, too, then."""
    world = World()
    world.create(A, VISIT)
    world.pass_time(seconds(12))
    world.source[A.digest] = Elsewhere(of_another_patient=True)
    world.create(RENUMBERED_A, VISIT)
    world.pass_time(seconds(10))
    del world.source[A.digest]
    world.remove(RENUMBERED_A)
    world.pass_time(2 * WINDOW)
    assert (world.kinds[1:], world.newest.patient) == (CANCELLED, NEW_NUMBER)
    world.hear(A, deleted=True)
    world.pass_time()
    assert (world.believed(A), world.believed(RENUMBERED_A)) == (None, None)
