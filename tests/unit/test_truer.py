"""Moves of whole clinics, new person numbers, slow sources, calls that end, and deactivations."""

from datetime import timedelta

import pytest

from shared.relay.outcomes import DeadLetter
from tests.unit.composer_world import (
    CALL,
    LATER,
    OPEN_CALL,
    OTHER_UNIT,
    PASSED,
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
from tests.unit.test_rebookings import CANCELLED_AND_NEW

A, B, C = (key(name) for name in "ABC")
MOVED_A = key("A", OTHER_UNIT)
THERE = but(VISIT, unit=OTHER_UNIT, unit_name="Ögonmottagningen Bergby")
NEW_NUMBER = "201212121212"
RENUMBERED_A = key("A", patient=NEW_NUMBER)


@pytest.fixture
def world() -> World:
    """The patient was told of booking A a day ago."""
    world = World()
    world.create(A, VISIT)
    world.pass_time(timedelta(days=1))
    return world


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


# --- a new person number ---

ANSWERS = {
    "gone": None,
    "still there": VISIT,
    "under the new number": Elsewhere(of_another_patient=True),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize(
    "requests",
    [
        [[(A, True), (RENUMBERED_A, False)]],
        [[(A, True)], [(RENUMBERED_A, False)]],
        [[(RENUMBERED_A, False)], [(A, True)]],
    ],
    ids=["one request", "removed first", "created first"],
)
def test_a_new_person_number_cancels_nothing(
    world: World, answer: object, requests: list[list[tuple[object, bool]]]
) -> None:
    world.source = {RENUMBERED_A.digest: VISIT}
    if answer:
        world.source[A.digest] = answer  # type: ignore[assignment]
    for request in requests:
        world.notify(*request)  # type: ignore[arg-type]
        world.pass_time(timedelta(seconds=20))
    world.pass_time(timedelta(minutes=10))
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]
    assert world.newest.patient == NEW_NUMBER
    assert world.mismatches == []


@pytest.mark.parametrize("stands", [True, False])
def test_created_under_the_new_number_long_before_it_was_removed_under_the_old_one(
    world: World, *, stands: bool
) -> None:
    """The index could not reach us for a while in between."""
    world.source = {RENUMBERED_A.digest: VISIT}
    world.hear(RENUMBERED_A)
    world.pass_time(timedelta(minutes=10))
    if not stands:
        world.remove(RENUMBERED_A)
        world.pass_time(timedelta(minutes=10))
    world.hear(A, deleted=True)
    world.pass_time(timedelta(hours=1))
    assert world.kinds[2:] == ([] if stands else ["cancellation", "cancellation"])


@pytest.mark.parametrize("source_is_behind", [False, True])
def test_another_patients_booking_with_this_id_at_another_unit_hides_no_cancellation(
    world: World, *, source_is_behind: bool
) -> None:
    """Some systems number the bookings of each unit by themselves."""
    others = key("A", OTHER_UNIT, NEW_NUMBER)
    world.source.pop(A.digest)
    world.hear(others)
    if not source_is_behind:
        world.source[others.digest] = THERE
    world.pass_time(timedelta(seconds=20))
    world.hear(A, deleted=True)
    world.pass_time(timedelta(seconds=70))
    world.source[others.digest] = THERE
    world.pass_time(timedelta(minutes=10))
    assert sorted(world.kinds[1:]) == CANCELLED_AND_NEW


def test_a_passed_visit_of_another_patient_with_this_id_hides_no_cancellation(
    world: World,
) -> None:
    """It is never announced, so nobody knows at which unit it is."""
    world.create(key("A", OTHER_UNIT, NEW_NUMBER), but(PASSED, unit=OTHER_UNIT))
    world.pass_time(timedelta(seconds=5))
    world.remove(A)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "cancellation"]


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("seconds", [1, 30, 100])
def test_a_visit_cancelled_soon_after_its_new_number_is_cancelled_once(
    world: World, answer: object, seconds: int
) -> None:
    """Under the new number, where it was announced."""
    world.source = {RENUMBERED_A.digest: VISIT}
    if answer:
        world.source[A.digest] = answer  # type: ignore[assignment]
    world.hear(A, deleted=True)
    world.hear(RENUMBERED_A)
    world.pass_time(timedelta(seconds=seconds))
    world.source.clear()
    world.hear(RENUMBERED_A, deleted=True)
    world.pass_time(timedelta(minutes=10))
    assert world.kinds == ["booking_confirmation", "booking_confirmation", "cancellation"]
    assert world.newest.patient == NEW_NUMBER
    assert world.mismatches == []


@pytest.mark.parametrize("answer", ["gone", "under the new number"])
def test_a_visit_cancelled_before_it_was_announced_under_its_new_number_is_cancelled(
    world: World, answer: str
) -> None:
    """Its patient was told of it under the old number only."""
    world.source = {A.digest: ANSWERS[answer]} if ANSWERS[answer] else {}  # type: ignore[dict-item]
    removal = world.take((A, True))
    creation = world.take((RENUMBERED_A, False))
    for message in removal:
        world.hand(world.fetch(message))
    world.source.clear()
    for message in (*world.take((RENUMBERED_A, True)), *creation):
        world.hand(world.fetch(message))
    world.pass_time(timedelta(minutes=10))
    assert world.kinds == ["booking_confirmation", "cancellation"]
    assert world.mismatches == []


def test_two_numbers_hide_no_cancellation_behind_each_other(world: World) -> None:
    """Whichever is judged first: the younger one is cancelled."""
    for later in (False, True):
        world = World()
        world.create(A, VISIT)
        world.remove(A)
        world.create(RENUMBERED_A, VISIT)
        removal = world.remove(RENUMBERED_A)
        if later:
            world.pass_time(WINDOW - timedelta(seconds=1))
            world.hand(removal)
        world.pass_time(timedelta(minutes=10))
        assert world.kinds == ["booking_confirmation", "booking_confirmation", "cancellation"]
        assert world.newest.patient == NEW_NUMBER


def test_an_old_creation_sent_again_hides_no_cancellation_under_the_new_number(
    world: World,
) -> None:
    world.source = {RENUMBERED_A.digest: VISIT}
    world.notify((A, True), (RENUMBERED_A, False))
    world.pass_time(timedelta(days=1))
    world.hear(A)
    world.pass_time(timedelta(seconds=10))
    world.remove(RENUMBERED_A)
    world.pass_time(timedelta(minutes=20))
    assert world.kinds == ["booking_confirmation", "booking_confirmation", "cancellation"]


def test_two_removals_of_one_visit_do_not_wait_for_each_other() -> None:
    """It is cancelled before the removal under the old number is judged, of which nobody was told;
    and its old creation comes late."""
    world = World()
    world.source = {RENUMBERED_A.digest: VISIT}
    request = world.take((A, True), (RENUMBERED_A, False))
    [old_creation] = world.take((A, False))
    [creation] = [each for each in request if each.booking == RENUMBERED_A]
    [removal] = [each for each in request if each.booking == A]
    world.hand(world.fetch(creation))
    world.source.clear()
    [cancellation] = world.take((RENUMBERED_A, True))
    for message in (removal, cancellation, old_creation):
        world.hand(world.fetch(message))
    world.pass_time(timedelta(minutes=5))
    assert world.kinds == ["booking_confirmation", "cancellation"]
    assert world.newest.patient == NEW_NUMBER


def test_a_new_number_that_the_source_shows_late(world: World) -> None:
    world.source = {RENUMBERED_A.digest: Elsewhere(of_another_patient=True)}
    world.notify((A, True), (RENUMBERED_A, False))
    world.pass_time(timedelta(seconds=30))
    world.source = {RENUMBERED_A.digest: VISIT}
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]


def test_a_removal_answered_for_another_person_without_a_reason_is_an_incident(
    world: World,
) -> None:
    world.source = {A.digest: Elsewhere(of_another_patient=True)}
    world.hear(A, deleted=True)
    world.pass_time()
    assert world.kinds == ["booking_confirmation"]
    assert world.outcomes[-1] == "reply_mismatch"
    assert world.mismatches == [SOURCE]


def test_a_creation_answered_for_the_old_number_for_ever_is_an_incident(world: World) -> None:
    world.source = {RENUMBERED_A.digest: Elsewhere(of_another_patient=True)}
    world.notify((A, True), (RENUMBERED_A, False))
    world.pass_time()
    assert sorted(set(world.outcomes[1:])) == ["renumbered", "reply_mismatch", "waiting_for_pair"]
    assert world.mismatches == [SOURCE]
    outcome = world.hand(world.fetch(world.take((A, True), (RENUMBERED_A, False))[-1]))
    assert not isinstance(outcome, DeadLetter)


def test_a_new_number_that_is_taken_back_before_it_was_shown_is_no_incident(world: World) -> None:
    world.source = {RENUMBERED_A.digest: Elsewhere(of_another_patient=True)}
    creation = world.take((A, True), (RENUMBERED_A, False))
    for message in creation[:-1]:
        world.hand(world.fetch(message))
    world.source[A.digest] = VISIT
    world.hear(A)
    world.hand(world.fetch(creation[-1]))
    world.hear(RENUMBERED_A, deleted=True)
    world.pass_time(timedelta(minutes=10))
    assert world.believed(A) == VISIT
    assert world.mismatches == []


def test_an_old_creation_answered_with_the_new_number_is_no_incident(world: World) -> None:
    world.source = {A.digest: Elsewhere(of_another_patient=True), RENUMBERED_A.digest: VISIT}
    world.notify((A, True), (RENUMBERED_A, False))
    world.pass_time()
    world.hear(A)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]
    assert world.outcomes[-1] == "gone_at_source"
    assert world.mismatches == []


def test_another_patients_booking_of_long_ago_hides_no_cancellation(world: World) -> None:
    world.create(RENUMBERED_A, VISIT)
    world.pass_time(timedelta(days=1))
    world.remove(A)
    world.pass_time()
    assert world.kinds[-1] == "cancellation"


# --- a source that is behind the index ---


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
