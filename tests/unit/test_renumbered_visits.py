"""A visit whose patient gets a new person number."""

from datetime import timedelta

import pytest

from shared.relay.outcomes import DeadLetter
from tests.unit.composer_world import (
    OTHER_UNIT,
    PASSED,
    SOURCE,
    VISIT,
    WINDOW,
    Elsewhere,
    World,
    but,
    key,
)
from tests.unit.told_visits import (
    CANCELLED_AND_NEW,
    NEW_NUMBER,
    RENUMBERED_A,
    THERE,
    A,
    told_of_a,
)


@pytest.fixture
def world() -> World:
    return told_of_a()


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
