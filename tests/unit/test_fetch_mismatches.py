"""A reply about something else: an incident, unless the index explains it."""

from datetime import timedelta

import pytest

from fetcher.answers import CallFailed, FetchRetryReason, Timeslot
from fetcher.handler import MismatchWaitReason
from fetcher.verification import Mismatch
from shared.booking.identity import hsa_key
from shared.booking.messages import BookingChange, BookingDetails
from shared.relay.outcomes import DeadLetter, Postpone, Publish, RetryLater
from tests.booking_samples import (
    BOOKING,
    PATIENT,
    a_change,
)
from tests.unit.fetcher_world import DETAILS, OTHER_UNIT, World, published

NEW_NUMBER = "201212121212"
MINUTE = timedelta(minutes=1)


def looked_at_again(world: World, change: BookingChange) -> BookingChange:
    """What comes back after the wait, when the wait is over."""
    waiting = world.handle(change)
    assert isinstance(waiting, Postpone)
    assert waiting.reason is MismatchWaitReason.NOT_EXPLAINED_YET
    world.clock.forward(waiting.delay.total_seconds())
    assert isinstance(waiting.instead, BookingChange)
    return waiting.instead


@pytest.mark.parametrize(
    ("timeslot", "what"),
    [
        (Timeslot(DETAILS, "201212121212", "B-1"), Mismatch.PATIENT),
        (Timeslot(OTHER_UNIT, PATIENT, "B-1"), Mismatch.UNIT),
        (Timeslot(DETAILS, PATIENT, "B-2"), Mismatch.BOOKING),
        (Timeslot(DETAILS, PATIENT, "b-1"), Mismatch.BOOKING),
        (Timeslot(DETAILS, "", "B-1"), Mismatch.PATIENT),
    ],
)
def test_a_reply_about_something_else_is_an_incident(timeslot: Timeslot, what: Mismatch) -> None:
    world = World(timeslot)
    outcome = world.handle(a_change())
    assert isinstance(outcome, DeadLetter)
    assert outcome.reason == "reply_mismatch"
    assert str(outcome.error) == f"the reply is about another {what}"
    assert world.watch.mismatches == [what]


@pytest.mark.parametrize(
    "timeslot",
    [
        Timeslot(BookingDetails(unit=BOOKING.logical_address.upper()), PATIENT, "B-1"),
        Timeslot(BookingDetails(unit=BOOKING.logical_address.lower()), PATIENT, "B-1"),
        Timeslot(DETAILS, PATIENT, ""),
        Timeslot(BookingDetails(), PATIENT, "B-1"),
    ],
)
def test_another_case_or_an_identity_left_out_is_no_incident(timeslot: Timeslot) -> None:
    world = World(timeslot)
    assert isinstance(world.handle(a_change()), Publish)
    assert world.watch.mismatches == []


@pytest.mark.parametrize("number", ["19900101T123", "19900101t123"])
def test_letters_of_a_person_number_compare_in_any_case(number: str) -> None:
    booking = BOOKING.model_copy(update={"patient": "19900101T123"})
    world = World(Timeslot(DETAILS, number, "B-1"))
    assert isinstance(world.handle(a_change(booking=booking)), Publish)


def test_several_timeslots_of_which_one_is_another_persons_are_an_incident() -> None:
    about = (Timeslot(DETAILS, PATIENT, "B-1"), Timeslot(DETAILS, "201212121212", "B-1"))
    trouble = CallFailed(FetchRetryReason.UNREADABLE, "several", source_works=True, about=about)
    world = World(trouble)
    assert isinstance(world.handle(a_change()), DeadLetter)
    assert world.watch.mismatches == [Mismatch.PATIENT]
    same = CallFailed(
        FetchRetryReason.UNREADABLE, "several", source_works=True, about=about[:1] * 2
    )
    assert isinstance(World(same).handle(a_change()), RetryLater)


def test_a_removed_booking_at_another_unit_has_moved() -> None:
    world = World(Timeslot(OTHER_UNIT, PATIENT, "B-1"))
    message = published(world.handle(a_change(deleted=True)))
    assert (message.details, message.moved_to) == (None, OTHER_UNIT.unit)
    assert world.watch.mismatches == []


def test_a_removed_booking_of_another_person_is_the_composers_to_explain() -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"))
    message = published(world.handle(a_change(deleted=True)))
    assert (message.details, message.of_another_patient) == (None, True)
    assert world.watch.mismatches == []


def test_a_booking_not_shown_under_its_new_number_yet_is_no_incident() -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"))
    message = published(world.handle(a_change(renumbered=NEW_NUMBER)))
    assert (message.details, message.of_another_patient) == (None, True)


@pytest.mark.parametrize(
    ("timeslot", "elsewhere"),
    [
        (Timeslot(DETAILS, NEW_NUMBER, "B-1"), {"patient": NEW_NUMBER}),
        (Timeslot(OTHER_UNIT, PATIENT, "B-1"), {"logical_address": OTHER_UNIT.unit}),
    ],
)
def test_an_old_creation_of_what_the_index_has_elsewhere_is_no_incident(
    timeslot: Timeslot, elsewhere: dict[str, str]
) -> None:
    world = World(timeslot)
    world.known.digests = {BOOKING.replaced(**elsewhere).digest}
    assert published(world.handle(a_change())).details is None
    assert world.watch.mismatches == []


def test_a_creation_of_another_number_waits_for_the_indexs_word() -> None:
    """The source changes its own store first and tells the index then."""
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change = looked_at_again(world, a_change())
    world.known.digests = {BOOKING.replaced(patient=NEW_NUMBER).digest}
    assert published(world.handle(change)).of_another_patient
    assert world.watch.mismatches == []


def test_a_creation_whose_source_is_behind_is_announced_when_it_shows_it() -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change = looked_at_again(world, looked_at_again(world, a_change()))
    world.client.says = Timeslot(DETAILS, PATIENT, "B-1")
    assert published(world.handle(change)).details == DETAILS


def test_a_mix_up_that_nothing_explains_is_an_incident_in_the_end_and_never_passed_on() -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change, looks = a_change(), 0
    while world.clock() - change.received_at < MINUTE:
        change, looks = looked_at_again(world, change), looks + 1
    assert world.clock() - change.received_at == MINUTE
    assert 4 <= looks <= 8
    assert isinstance(world.handle(change), DeadLetter)
    assert world.watch.mismatches == [Mismatch.PATIENT]


def test_the_explanation_is_waited_for_though_the_relay_was_away_since_the_creation() -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change = a_change()
    world.clock.forward(3600)
    change = looked_at_again(world, change)
    world.known.digests = {BOOKING.replaced(patient=NEW_NUMBER).digest}
    assert published(world.handle(change)).of_another_patient
    assert world.watch.mismatches == []


def test_a_mix_up_that_was_fetched_late_is_an_incident_in_the_end() -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change = a_change()
    world.clock.forward(3600)
    first = world.clock()
    while world.clock() - first < MINUTE:
        change = looked_at_again(world, change)
    assert isinstance(world.handle(change), DeadLetter)
    assert world.watch.mismatches == [Mismatch.PATIENT]


def test_after_an_outage_of_the_relay_the_explanation_is_waited_for_anew() -> None:
    """What the index said meanwhile is on its way to the composer."""
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change = looked_at_again(world, looked_at_again(world, a_change()))
    world.clock.forward(180)
    change = looked_at_again(world, change)
    world.known.digests = {BOOKING.replaced(patient=NEW_NUMBER).digest}
    assert published(world.handle(change)).of_another_patient
    assert world.watch.mismatches == []


def test_looks_a_little_late_do_not_prolong_a_short_wait() -> None:
    """Delays come in steps, and the relay is busy at times: that is no outage."""
    within, late = timedelta(seconds=4), 2
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=within)
    change, began = a_change(), world.clock()
    while isinstance(outcome := world.handle(change), Postpone):
        assert isinstance(outcome.instead, BookingChange)
        change = outcome.instead
        world.clock.forward(outcome.delay.total_seconds() + late)
    assert isinstance(outcome, DeadLetter)
    assert world.clock() - began < 2 * within


@pytest.mark.parametrize("late", [0, 1, 10, 100])
def test_a_mix_up_is_an_incident_however_late_each_look_comes(late: int) -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change, began = a_change(), world.clock()
    while isinstance(outcome := world.handle(change), Postpone):
        assert isinstance(outcome.instead, BookingChange)
        change = outcome.instead
        world.clock.forward(outcome.delay.total_seconds() + late)
    assert isinstance(outcome, DeadLetter)
    assert world.watch.mismatches == [Mismatch.PATIENT]
    assert MINUTE <= world.clock() - began < 12 * MINUTE + timedelta(seconds=late)


def test_waiting_for_a_slot_of_the_source_is_no_outage() -> None:
    world = World(Timeslot(DETAILS, NEW_NUMBER, "B-1"), explained_within=MINUTE)
    change = looked_at_again(world, a_change())
    now = world.clock()
    system = hsa_key(BOOKING.source_system)
    world.line.reserve(system, now=now, not_before=now, span=5 * MINUTE)
    waiting = world.handle(change)
    assert isinstance(waiting, Postpone)
    assert isinstance(waiting.instead, BookingChange)
    world.clock.forward(waiting.delay.total_seconds())
    assert isinstance(world.handle(waiting.instead), DeadLetter)


def test_a_reply_about_something_else_altogether_is_an_incident_at_once() -> None:
    for timeslot in (Timeslot(DETAILS, NEW_NUMBER, "B-2"), Timeslot(DETAILS, "", "B-1")):
        world = World(timeslot, explained_within=MINUTE)
        assert isinstance(world.handle(a_change()), DeadLetter)


def test_what_is_no_person_number_explains_nothing() -> None:
    assert isinstance(World(Timeslot(DETAILS, "x", "B-1")).handle(a_change()), DeadLetter)


@pytest.mark.parametrize(
    ("timeslot", "what"),
    [
        (Timeslot(OTHER_UNIT, PATIENT, ""), Mismatch.UNIT),
        (Timeslot(OTHER_UNIT, PATIENT, "B-2"), Mismatch.UNIT),
        (Timeslot(DETAILS, NEW_NUMBER, "B-2"), Mismatch.PATIENT),
        (Timeslot(DETAILS, "", "B-1"), Mismatch.PATIENT),
        (Timeslot(DETAILS, PATIENT, "B-2"), Mismatch.BOOKING),
    ],
)
def test_of_a_removal_too_anything_else_is_an_incident(timeslot: Timeslot, what: Mismatch) -> None:
    world = World(timeslot)
    assert isinstance(world.handle(a_change(deleted=True)), DeadLetter)
    assert world.watch.mismatches == [what]
