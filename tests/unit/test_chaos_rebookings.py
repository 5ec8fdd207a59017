"""The oracle of chaos knows which visits belong together: one rebooking is one message, and two
unrelated visits are never one."""

from dataclasses import replace

import pytest

from shared.relay.broker import Envelope
from tests.chaos.accounts import (
    NOT_TAKEN,
    account_dead,
    judge,
    strangers,
)
from tests.chaos.cases import Case, is_of
from tests.chaos.rebooking import Taking, Takings, entry, takings
from tests.chaos.telling import Booking, Line, Way
from tests.unit.chaos_cases import (
    PATIENT,
    SEEDS,
    SOURCE,
    WINDOW,
    case_of,
    judged,
    messages_of,
    only_telling,
    visits_of,
    wrongs,
)

# --- one rebooking, one message ---


def taken(removed: tuple[int, float, float], created: tuple[int, float, float]) -> Takings:
    """Requests (number, earliest, latest) of the first two bookings of B1, under any id."""
    bookings = [Booking(unit, f"B1-{number}") for unit in SOURCE.units for number in (1, 2)]
    return Takings(
        WINDOW,
        created={entry(PATIENT, booking): Taking(*created) for booking in bookings},
        removed={entry(PATIENT, booking): Taking(*removed) for booking in bookings},
    )


ONE, CANCELLED_NEW = Way.ONE_CHANGE, Way.CANCELLED_THEN_NEW
NEW_CANCELLED, NEW_CHANGED = Way.NEW_THEN_CANCELLED, Way.NEW_THEN_CHANGED
TWO = {CANCELLED_NEW, NEW_CANCELLED}


@pytest.mark.parametrize(
    ("removed", "created", "other_id", "same_id"),
    [
        ((1, 0, 30), (1, 0, 30), {ONE}, {ONE}),
        ((1, 0, 1), (2, 2, 3), {ONE}, {ONE}),
        ((2, 2, 3), (1, 0, 1), {ONE, NEW_CANCELLED}, {ONE, NEW_CANCELLED, NEW_CHANGED}),
        ((1, 0, 1), (2, 20, 21), TWO, set(Way)),
        ((2, 20, 21), (1, 0, 1), TWO, set(Way)),
        ((1, 0, 1), (2, 11, 14), {ONE, *TWO}, set(Way)),
        ((1, 0, 3), (2, 2, 4), {ONE, NEW_CANCELLED}, set(Way) - {CANCELLED_NEW}),
    ],
    ids=[
        "one request",
        "near, the removal first",
        "near, the creation first",
        "far, the removal first",
        "far, the creation first",
        "near or far",
        "either first",
    ],
)
def test_a_rebooking_may_be_announced_by_when_its_requests_were_taken(
    removed: tuple[int, float, float],
    created: tuple[int, float, float],
    other_id: set[Way],
    same_id: set[Way],
) -> None:
    old, other = Booking(SOURCE.units[0], "B1-1"), Booking(SOURCE.units[0], "B1-2")
    elsewhere = replace(old, unit=SOURCE.units[1])
    known = taken(removed, created)
    assert known.ways(PATIENT, old, other, is_open_call=False) == other_id
    assert known.ways(PATIENT, old, elsewhere, is_open_call=False) == same_id


@pytest.mark.parametrize(
    ("removed", "created", "other_id", "same_id"),
    [
        ((1, 0, 1), (1, 0, 1), {ONE}, {ONE}),
        ((1, 0, 1), (2, 2, 3), {ONE}, {ONE}),
        ((2, 2, 3), (1, 0, 1), {ONE}, {ONE}),
        ((1, 0, 1), (2, 20, 21), TWO, {ONE, *TWO}),
    ],
)
def test_an_open_call_in_whose_place_a_booking_came_is_not_announced_as_gone(
    removed: tuple[int, float, float],
    created: tuple[int, float, float],
    other_id: set[Way],
    same_id: set[Way],
) -> None:
    call, other = Booking(SOURCE.units[0], "B1-1"), Booking(SOURCE.units[0], "B1-2")
    elsewhere = replace(call, unit=SOURCE.units[1])
    known = taken(removed, created)
    assert known.ways(PATIENT, call, other, is_open_call=True) == other_id
    assert known.ways(PATIENT, call, elsewhere, is_open_call=True) == same_id


def test_the_ends_of_a_chain_with_nothing_in_common_may_be_two_visits() -> None:
    old, end = Booking(SOURCE.units[0], "B1-1"), Booking(SOURCE.units[1], "B1-2")
    near = taken((1, 0, 1), (2, 2, 3))
    assert near.ways(PATIENT, old, end, is_open_call=False) == {ONE, *TWO}


def test_what_was_only_removed_and_moved_is_one_change() -> None:
    old, moved = (Booking(unit, "B1-1") for unit in SOURCE.units)
    request = Taking(1, 0, 1)
    known = Takings(
        WINDOW, {entry(PATIENT, old): request}, {entry(PATIENT, old): replace(request, request=2)}
    )
    assert known.ways(PATIENT, old, moved, is_open_call=False) == {ONE}


def test_where_nobody_knows_when_it_was_taken_all_ways_are_accepted() -> None:
    old, new = Booking(SOURCE.units[0], "B1-1"), Booking(SOURCE.units[0], "B1-2")
    assert NOT_TAKEN.ways(PATIENT, old, new, is_open_call=False) == set(Way)


def test_the_journal_says_when_each_booking_was_taken_first() -> None:
    created = {
        "deleted": False,
        "patient": PATIENT,
        "sourceSystem": SOURCE.hsa_id,
        "logicalAddress": SOURCE.units[0].lower(),
        "bookingId": "B1-1",
    }
    journal = [
        {"sentAt": 9.0, "answeredAt": 10.0, "engagements": [created]},
        {"sentAt": 1.0, "answeredAt": 7.0, "engagements": [created]},
        {"sentAt": 12.0, "answeredAt": 13.0, "engagements": [created | {"deleted": True}]},
    ]
    known = takings(journal, WINDOW)
    key = entry(PATIENT, Booking(SOURCE.units[0], "B1-1"))
    assert known.created == {key: Taking(0, 1.0, 7.0)}
    assert known.removed == {key: Taking(2, 12.0, 13.0)}


@pytest.mark.parametrize("story", ["rebooked", "rebooked_apart"])
@pytest.mark.parametrize("seed", range(6))
def test_two_messages_for_one_rebooking_are_found(story: str, seed: int) -> None:
    """Booked, and then cancelled and booked anew, or booked anew and changed."""
    case = case_of(story, seed=seed)
    together = taken((1, 0, 1), (1, 0, 1) if story == "rebooked" else (2, 2, 3))
    [(booked, changed)] = case.tellings(len(case.moments))
    assert judged(case, (booked, changed), together).wrongs == 0
    cancelled = replace(booked, kind="cancellation")
    new = replace(changed, kind="booking_confirmation")
    for lines in ((booked, cancelled, new), (booked, new, cancelled)):
        found = wrongs(judged(case, lines, together))
        assert found == {"lost": 1, "second": 1, "false": 1}
    assert wrongs(judged(case, (booked, new, changed), together)) == {"second": 1}


def test_one_message_for_what_was_removed_and_created_far_apart_is_found() -> None:
    """Of two ids: nearness is no evidence, but without it there is none."""
    case = next(one for one in map(_apart, SEEDS) if len(one.bookings) == 2)
    [(booked, changed)] = case.tellings(len(case.moments))
    found = judged(case, (booked, changed), taken((1, 0, 1), (2, 20, 21)))
    assert wrongs(found) == {"lost": 2, "lost_cancellations": 1, "false": 1}


def _apart(seed: int) -> Case:
    return case_of("rebooked_apart", seed=seed)


def test_a_call_that_is_announced_as_gone_beside_its_booking_is_found() -> None:
    case = case_of("call_followed")
    called, booked = only_telling(case)
    gone = replace(called, kind="cancellation")
    together = taken((1, 0, 1), (1, 0, 1))
    assert wrongs(judged(case, (called, gone, booked), together)) == {"second": 1}


# --- several visits ---


@pytest.mark.parametrize("seed", SEEDS)
def test_a_change_of_unrelated_visits_is_found(seed: int) -> None:
    old, new = visits_of("unrelated", seed)
    booked, cancelled = only_telling(old)
    [other] = only_telling(new)
    changed = replace(other, kind="changed_time")
    lines = (booked, changed)
    assert wrongs(judged(old, lines)) == {"lost": 1, "lost_cancellations": 1}
    assert wrongs(judged(new, lines)) == {"lost": 1, "false": 1}
    for sound in ((booked, cancelled, other), (booked, other, cancelled)):
        assert judged(old, sound).wrongs == judged(new, sound).wrongs == 0


def test_a_guess_among_several_is_found() -> None:
    first, second, new = visits_of("ambiguous")
    [booked] = only_telling(new)
    changed = replace(booked, kind="changed_time")
    told = (only_telling(first)[0], *only_telling(second), changed)
    assert wrongs(judged(first, told)) == {"lost": 1, "lost_cancellations": 1}
    assert judged(second, told).wrongs == 0
    assert wrongs(judged(new, told)) == {"lost": 1, "false": 1}


def test_a_visit_that_is_said_to_have_replaced_its_neighbour_is_found() -> None:
    gone, stays = visits_of("one_of_two")
    (booked, _), [other] = only_telling(gone), only_telling(stays)
    told = (booked, other, replace(other, kind="changed_time"))
    assert wrongs(judged(gone, told)) == {"lost": 1, "lost_cancellations": 1}
    assert wrongs(judged(stays, told)) == {"false": 1}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_word_about_an_old_entry_is_found(seed: int) -> None:
    _, old, *_ = visits_of("cleaned_up", seed)
    assert old.tellings(len(old.moments)) == {()}
    [booking_id] = old.bookings
    for kind in ("cancellation", "booking_confirmation", "changed_time"):
        line = Line(kind, booking_id, "20270101090000", "Alva Testlund")
        assert wrongs(judged(old, (line,))) == {"false": 1}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_moved_clinic_that_cancels_and_books_is_found(seed: int) -> None:
    for case in visits_of("clinic_moved", seed):
        booked, changed = only_telling(case)
        assert (booked.kind, changed.kind) == ("booking_confirmation", "changed")
        assert booked.booking_id == changed.booking_id
        old, new = case.moments[-1][0].booking, case.moments[-1][1].booking
        request = Taking(1, 0, 1)
        together = Takings(
            WINDOW,
            {entry(case.patient, new): request},
            {entry(case.patient, old): request},
        )
        told = (booked, replace(booked, kind="cancellation"), booked)
        verdict = judge(case, len(case.moments), messages_of(told, case.patient), together)
        assert verdict.second == 1
        assert verdict.wrongs > 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cancellation_under_the_former_number_is_found(seed: int) -> None:
    """Unless the visit was cancelled under the new one, perhaps before it was announced there."""
    old, new = visits_of("renumbered", seed)
    assert new.former_number == old.patient
    told = old.tellings(len(old.moments))
    booked = min(filter(None, told), key=len)[0]
    cancelled = replace(booked, kind="cancellation")
    is_true = old.cancelled_later
    assert wrongs(judged(old, (booked, cancelled))) == ({} if is_true else {"false": 1})
    assert old.cancelled_later == ((booked, cancelled) in told)
    ends = replace(old, source=replace(old.source, deactivates_at=100.0))
    assert old.cancelled_later == ((booked, cancelled) in ends.tellings(len(old.moments)))
    assert judged(new, ()).lost or () in new.tellings(len(new.moments))


def test_some_are_cancelled_under_the_new_number_and_some_are_not() -> None:
    first = [visits_of("renumbered", seed)[0] for seed in SEEDS]
    assert {case.cancelled_later for case in first} == {True, False}


def test_a_safety_incident_of_a_new_number_is_found_unless_it_came_too_late() -> None:
    cases = visits_of("renumbered")
    old, new = cases
    booking = old.first_booking
    body = b'{"booking": {"booking_id": "%s"}}' % booking.booking_id.encode()
    letter = Envelope("one", body, dead_reason="reply_mismatch", origin="composer")

    def account(removed: Taking, created: Taking) -> tuple[int, int]:
        known = Takings(
            WINDOW,
            {entry(new.patient, booking): created},
            {entry(old.patient, booking): removed},
        )
        found = account_dead([letter], cases, known)
        return len(found.unexplained), len(found.missing)

    assert account(Taking(1, 0, 1), Taking(1, 0, 1)) == (1, 0)
    assert account(Taking(1, 0, 1), Taking(2, 3, 4)) == (1, 0)
    assert account(Taking(1, 0, 1), Taking(2, 20, 21)) == (0, 0)
    assert len(account_dead([letter], cases).unexplained) == 1
    merged_away = Takings(WINDOW, {}, {entry(old.patient, booking): Taking(1, 0, 1)})
    assert account_dead([letter], cases, merged_away).unexplained == []


def test_a_message_to_somebody_else_is_a_stranger() -> None:
    case = case_of("booked")
    messages = messages_of(only_telling(case))
    assert list(strangers({is_of(case): messages}, [case])) == []
    other = [replace(messages[0], patient_bookings=("20121212ZZZZ", SOURCE.hsa_id))]
    assert list(strangers({other[0].patient_bookings: other}, [case])) == other
