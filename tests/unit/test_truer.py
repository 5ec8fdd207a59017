"""Moves of whole clinics, calls that end, and deactivations."""

from datetime import timedelta

import pytest

from tests.unit.composer_world import (
    CALL,
    LATER,
    OPEN_CALL,
    OTHER_UNIT,
    PATIENCE,
    SOURCE,
    UNIT,
    VISIT,
    WINDOW,
    Elsewhere,
    World,
    but,
    key,
)
from tests.unit.told_visits import (
    MOVED_A,
    THERE,
    A,
    B,
    told_of_a,
)


@pytest.fixture
def world() -> World:
    return told_of_a()


# --- the same booking id at another unit ---


@pytest.mark.parametrize("extra", [[], [(key("old"), True)], [(key("D"), False)]])
def test_a_clinic_that_moves_is_a_change_of_each_visit(extra: list[tuple[object, bool]]) -> None:
    world = World()
    for name in "ABC":
        world.create(key(name), VISIT)
    world.pass_time(timedelta(days=1))
    world.source = {key(name, OTHER_UNIT).digest: THERE for name in "ABC"}
    removals = [(key(name), True) for name in "ABC"]
    creations = [(key(name, OTHER_UNIT), False) for name in "CAB"]
    world.notify(*creations, *removals, *extra)  # type: ignore[arg-type]
    world.pass_time()
    assert world.kinds[3:] == ["changed"] * 3
    for name in "ABC":
        assert world.believed(key(name)) is None
        assert world.believed(key(name, OTHER_UNIT)) == THERE


def test_one_id_is_one_visit_whatever_else_has_changed(world: World) -> None:
    other = but(LATER, unit=OTHER_UNIT, care_type_name="Kirurgi", performer_name="Bo Ek")
    world.source = {MOVED_A.digest: other}
    world.notify((A, True), (MOVED_A, False))
    assert world.kinds[1:] == ["changed_time"]


def test_one_id_is_stronger_than_one_kind(world: World) -> None:
    world.source = {MOVED_A.digest: THERE, B.digest: LATER}
    world.notify((A, True), (MOVED_A, False), (B, False))
    world.pass_time()
    assert sorted(world.kinds[1:]) == ["booking_confirmation", "changed"]
    assert world.believed(MOVED_A) == THERE


@pytest.mark.parametrize("seconds", [1, 85, 600])
def test_moved_in_two_requests_however_far_apart(world: World, seconds: int) -> None:
    """The creation came first: the source is asked about what the patient believes."""
    world.create(MOVED_A, THERE)
    world.source.pop(A.digest)
    world.pass_time(timedelta(seconds=seconds))
    world.remove(A)
    world.pass_time()
    assert world.kinds[1:] == ["changed"]
    assert world.believed(A) is None


def test_moved_and_the_removal_came_first(world: World) -> None:
    world.remove(A)
    world.create(MOVED_A, THERE)
    world.pass_time()
    assert world.kinds[1:] == ["changed"]


def test_a_cancellation_after_a_move_whose_old_creation_was_sent_again(world: World) -> None:
    """What stands in a booking's place took not its own place."""
    world.rebook(A, MOVED_A, THERE)
    world.pass_time(timedelta(seconds=5))
    world.hear(A)
    world.pass_time(timedelta(seconds=5))
    world.source.pop(MOVED_A.digest)
    [removal] = world.take((MOVED_A, True))
    world.hand(world.fetch(removal))
    world.pass_time(PATIENCE + WINDOW)
    assert world.kinds[1:] == ["changed", "cancellation"]


def test_an_id_that_is_used_at_two_units_is_two_bookings(world: World) -> None:
    world.create(MOVED_A, THERE)
    assert world.kinds[1:] == []
    world.pass_time(PATIENCE + timedelta(seconds=30))
    assert world.kinds[1:] == ["booking_confirmation"]
    world.pass_time(timedelta(days=1))
    world.remove(A)
    world.pass_time()
    assert world.kinds[1:] == ["booking_confirmation", "cancellation"]
    assert world.believed(MOVED_A) == THERE


@pytest.mark.parametrize("in_index", [True, False])
def test_an_address_that_answers_about_the_new_unit_says_that_it_moved(
    world: World, *, in_index: bool
) -> None:
    world.source = {A.digest: Elsewhere(moved_to=OTHER_UNIT), MOVED_A.digest: THERE}
    world.notify((A, True), *([(MOVED_A, False)] if in_index else []))
    world.pass_time()
    assert world.kinds[1:] == ["changed"]
    assert world.believed(MOVED_A) == THERE


@pytest.mark.parametrize("creation_first", [False, True])
def test_a_question_that_died_with_its_process_is_put_again(
    world: World, *, creation_first: bool
) -> None:
    """What was stored before the crash must lead to the same question."""
    world.source = {A.digest: Elsewhere(moved_to=OTHER_UNIT), MOVED_A.digest: THERE}
    [change] = world.take((MOVED_A, False) if creation_first else (A, True))
    fetched = world.fetch(change)
    world.composer(fetched)  # stored, and what it publishes is lost
    world.pass_time(timedelta(seconds=5))
    world.hand(fetched)
    if creation_first:
        world.pass_time(timedelta(seconds=20))
        world.hear(A, deleted=True)
    world.pass_time(timedelta(minutes=20))
    assert world.kinds[1:] == ["changed"]
    assert world.believed(MOVED_A) == THERE


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_a_question_leads_to_no_endless_questions(
    world: World, *, known: bool, there: bool
) -> None:
    """Also when each of two addresses says that the booking is at the other one."""
    if known:
        world.create(MOVED_A, THERE)
        world.pass_time(timedelta(days=1))
    world.source = {A.digest: Elsewhere(moved_to=OTHER_UNIT)}
    world.source[MOVED_A.digest] = THERE if there else Elsewhere(moved_to=UNIT)
    world.hear(A, deleted=True)
    world.pass_time(timedelta(minutes=30))
    assert max(change.count(".other") for change in world.about) <= 2
    if there:
        assert world.believed(MOVED_A) == THERE


def test_a_removal_waits_for_what_the_source_says_of_where_it_moved(world: World) -> None:
    world.source = {A.digest: Elsewhere(moved_to=OTHER_UNIT), MOVED_A.digest: THERE}
    [removal] = world.take((A, True))
    world.hand(world.fetch(removal))
    about_other, again = world.asked
    world.asked.clear()
    world.hand(world.fetch(again))
    world.pass_time(WINDOW + timedelta(seconds=10))
    assert world.kinds[1:] == []
    world.hand(world.fetch(about_other))
    world.pass_time()
    assert world.kinds[1:] == ["changed"]


def test_moved_to_where_it_is_not_is_gone(world: World) -> None:
    world.source = {A.digest: Elsewhere(moved_to=OTHER_UNIT)}
    world.hear(A, deleted=True)
    world.pass_time(timedelta(minutes=10))
    assert world.kinds[1:] == ["cancellation"]


# --- a call that is gone ---


def gone_call() -> World:
    world = World()
    world.create(A, OPEN_CALL)
    world.pass_time(timedelta(days=1))
    return world


def test_an_open_call_that_is_gone_ends() -> None:
    world = gone_call()
    world.remove(A)
    world.pass_time()
    assert world.kinds == ["open_call", "cancellation"]
    assert world.newest.subject.startswith("Kallelsen gäller inte längre")
    assert "vbok" not in world.newest.subject + world.newest.body_text + world.newest.body_html
    assert world.newest.calendar is None


@pytest.mark.parametrize("first", ["call removed", "booked", "one request"])
def test_an_open_call_that_led_to_a_booking_ends_without_a_word(first: str) -> None:
    world = gone_call()
    world.source = {B.digest: VISIT}
    requests = {
        "call removed": [[(A, True)], [(B, False)]],
        "booked": [[(B, False)], [(A, True)]],
        "one request": [[(A, True), (B, False)]],
    }
    for request in requests[first]:
        world.notify(*request)
    world.pass_time()
    assert world.kinds == ["open_call", "booking_confirmation"]
    assert world.believed(A) is None or first == "booked"


def test_a_call_is_answered_though_its_removal_was_taken_first() -> None:
    world = gone_call()
    world.source = {B.digest: VISIT}
    [removal] = world.take((A, True))
    world.notify((B, False))
    world.hand(world.fetch(removal))
    world.pass_time()
    assert world.kinds == ["open_call", "booking_confirmation"]
    assert world.outcomes[-1] == "call_answered"


def test_a_booking_at_another_unit_did_not_come_of_the_call() -> None:
    world = gone_call()
    world.remove(A)
    world.create(key("B", OTHER_UNIT), THERE)
    world.pass_time()
    assert world.kinds == ["open_call", "booking_confirmation", "cancellation"]


def test_an_open_call_sent_anew_under_another_id_says_nothing() -> None:
    world = gone_call()
    world.rebook(A, B, OPEN_CALL)
    world.pass_time()
    assert world.kinds == ["open_call"]


def test_a_timed_call_that_is_gone_is_cancelled() -> None:
    world = World()
    world.create(A, CALL)
    world.remove(A)
    world.pass_time()
    assert world.kinds == ["timed_call", "cancellation"]


# --- after a deactivation ---


def test_after_a_deactivation_nothing_is_announced(world: World) -> None:
    world.remove(A)
    world.source[B.digest] = LATER
    creation = world.ask_about(B)
    world.register.removed.add(SOURCE)
    world.hand(creation)
    world.pass_time()
    assert world.kinds == ["booking_confirmation"]
    assert world.outcomes[-2:] == ["source_not_activated", "source_not_activated"]


def test_what_was_announced_before_the_deactivation_is_ordered_after_it(world: World) -> None:
    """The composer died between what it stored and what it published."""
    world.source[B.digest] = but(VISIT, care_type_name="Kirurgi")
    creation = world.ask_about(B)
    world.composer(creation)  # stored, and what it publishes is lost
    world.register.removed.add(SOURCE)
    world.hand(creation)
    assert world.orders[-1].message_id == world.newest.id
    assert world.newest.booking_id == "B"


def test_what_was_held_back_meanwhile_is_not_announced_either(world: World) -> None:
    world.remove(A)
    world.create(B, LATER)
    world.register.removed.add(SOURCE)
    world.pass_time(2 * WINDOW)
    assert world.kinds == ["booking_confirmation"]
