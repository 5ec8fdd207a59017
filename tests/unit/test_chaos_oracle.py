"""The oracle of the chaos runs finds what is lost, twice or false: else its zeros say nothing."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from shared.booking.notices import Channel, NoticeStatus
from shared.relay.broker import Envelope
from tests.chaos.accounts import (
    NOT_TAKEN,
    Judged,
    account_dead,
    account_notices,
    judge,
    strangers,
)
from tests.chaos.clinic import Case, Clinic, History, Source, is_of
from tests.chaos.ledger import Message, NoticeRow
from tests.chaos.load import is_odd
from tests.chaos.plan import Options, make_plan
from tests.chaos.rebooking import Taking, Takings, entry, takings
from tests.chaos.stories import STORIES
from tests.chaos.telling import Booking, Line, Way
from tests.chaos.visits import VISITS, Scene

SOURCE = Source("SE2321000016-SYS1", ("SE2321000016-U1", "SE2321000016-U2"))
PATIENT = "20121212AAAA"
NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
WINDOW = 12.0
SEEDS = range(30)


def case_of(story: str, *, waits: bool = True, seed: int = 7) -> Case:
    return history_of(story, waits=waits, seed=seed).cases[0]


def history_of(story: str, *, waits: bool = True, seed: int = 7) -> History:
    clinic = Clinic(random.Random(seed), SOURCE, PATIENT, "B1", waits=waits)
    STORIES[story][1](clinic)
    return clinic.history(story)


def visits_of(story: str, seed: int = 7) -> tuple[Case, ...]:
    """The cases of a history of several visits."""
    patients = (f"20121212AAA{letter}" for letter in "ABCDEFGHIJKLMNOP")
    names = (f"B{number}" for number in count(1))
    scene = Scene(random.Random(seed), SOURCE, lambda: next(patients), names)
    return VISITS[story][1](scene).cases


def messages_of(lines: tuple[Line, ...], patient: str = PATIENT) -> list[Message]:
    return [
        Message(f"m{number}", (patient, SOURCE.hsa_id), line, f"c{number}", NOW + timedelta(number))
        for number, line in enumerate(lines)
    ]


def kinds(case: Case) -> set[tuple[str, ...]]:
    return {tuple(line.kind for line in one) for one in case.tellings(len(case.moments))}


def judged(case: Case, lines: tuple[Line, ...], taken: Takings = NOT_TAKEN) -> Judged:
    return judge(case, len(case.moments), messages_of(lines), taken)


def wrongs(verdict: Judged) -> dict[str, int]:
    """The counters that are not 0."""
    names = ("lost", "lost_cancellations", "duplicated", "second", "false")
    return {name: number for name in names if (number := getattr(verdict, name))}


def only_telling(case: Case) -> tuple[Line, ...]:
    (telling,) = case.tellings(len(case.moments))
    return telling


@pytest.mark.parametrize(
    ("story", "told"),
    [
        ("booked", ["booking_confirmation"]),
        ("called", ["timed_call"]),
        ("call_answered", ["open_call", "booking_confirmation"]),
        ("call_expired", ["open_call", "cancellation"]),
        ("call_moved", ["timed_call", "changed_time"]),
        ("call_followed", ["open_call", "booking_confirmation"]),
        ("changed", ["booking_confirmation", "changed"]),
        ("corrected_and_cancelled", ["booking_confirmation", "cancellation"]),
        ("rebooked", ["booking_confirmation", "changed_time"]),
        ("rebooked_twice", ["booking_confirmation", "changed_time", "changed_time"]),
        ("moved_quietly", ["booking_confirmation", "changed"]),
        ("recreated", ["booking_confirmation", "cancellation", "booking_confirmation"]),
        ("passed", []),
        ("odd_elements", ["booking_confirmation"]),
        ("odd_person", []),
    ],
)
def test_who_sees_every_moment_is_told_all_of_it(story: str, told: list[str]) -> None:
    assert kinds(case_of(story)) == {tuple(told)}


def test_what_nobody_saw_need_not_be_told() -> None:
    assert kinds(case_of("moved", waits=False)) == {
        ("booking_confirmation", "changed_time"),
        ("booking_confirmation",),
    }
    assert kinds(case_of("cancelled", waits=False)) == {
        ("booking_confirmation", "cancellation"),
        (),
    }


def test_what_need_not_be_seen_of_several_rebookings_is_their_last() -> None:
    assert kinds(case_of("rebooked_twice", waits=False)) == {
        ("booking_confirmation",),
        ("booking_confirmation", "changed_time"),
        ("booking_confirmation", "changed_time", "changed_time"),
    }


def test_what_came_before_the_activation_may_be_ignored() -> None:
    clinic = Clinic(random.Random(7), SOURCE, PATIENT, "B1")
    clinic.books()
    [case] = clinic.history("too_early").cases
    assert kinds(case) == {(), ("booking_confirmation",)}


def test_a_history_cut_short_is_judged_by_what_came_to_pass() -> None:
    case = case_of("cancelled")
    assert judge(case, 1, messages_of(only_telling(case)[:1])).wrongs == 0
    assert judge(case, 0, []).wrongs == 0


@pytest.mark.parametrize("story", STORIES)
def test_every_telling_is_sound(story: str) -> None:
    for waits in (True, False):
        case = case_of(story, waits=waits)
        for telling in case.tellings(len(case.moments)):
            assert judged(case, telling).wrongs == 0


@pytest.mark.parametrize("story", VISITS)
def test_every_telling_of_several_visits_is_sound(story: str) -> None:
    for seed in SEEDS:
        for case in visits_of(story, seed):
            for telling in case.tellings(len(case.moments)):
                assert judged(case, telling).wrongs == 0


def test_a_lost_message_is_found() -> None:
    case = case_of("moved")
    assert wrongs(judged(case, only_telling(case)[:1])) == {"lost": 1}


def test_a_lost_cancellation_is_found_though_the_booking_need_not_have_been_told() -> None:
    case = case_of("cancelled", waits=False)
    (confirmation, _) = max(case.tellings(2), key=len)
    assert wrongs(judged(case, (confirmation,))) == {"lost": 1, "lost_cancellations": 1}


def test_a_message_twice_is_found() -> None:
    case = case_of("moved")
    first, second = only_telling(case)
    assert wrongs(judged(case, (first, first, second))) == {"duplicated": 1}


@pytest.mark.parametrize("story", ["booked", "corrected", "passed", "changed"])
def test_a_cancellation_that_was_never_true_is_found(story: str) -> None:
    case = case_of(story)
    cancelled = Line("cancellation", "B1-1", "20270101090000", "Alva Testlund")
    assert wrongs(judged(case, (*only_telling(case), cancelled))) == {"false": 1}


def test_messages_in_the_wrong_order_are_found() -> None:
    case = case_of("recreated")
    first, second, third = only_telling(case)
    assert wrongs(judged(case, (first, third, second))) == {"false": 1}


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
    old, new = visits_of("renumbered", seed)
    assert new.former_number == old.patient
    longest = max(old.tellings(len(old.moments)), key=len)
    [booked] = longest
    cancelled = replace(booked, kind="cancellation")
    assert wrongs(judged(old, (booked, cancelled))) == {"false": 1}
    assert judged(new, ()).lost or () in new.tellings(len(new.moments))


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


def test_a_message_to_somebody_else_is_a_stranger() -> None:
    case = case_of("booked")
    messages = messages_of(only_telling(case))
    assert list(strangers({is_of(case): messages}, [case])) == []
    other = [replace(messages[0], patient_bookings=("20121212ZZZZ", SOURCE.hsa_id))]
    assert list(strangers({other[0].patient_bookings: other}, [case])) == other


def test_notices_are_due_for_each_message_on_each_chosen_channel() -> None:
    messages = messages_of(only_telling(case_of("moved")))
    choices = {PATIENT: (Channel.EMAIL, Channel.SMS)}
    rows = [
        NoticeRow("n1", "m0", Channel.EMAIL, NoticeStatus.ACCEPTED),
        NoticeRow("n2", "m0", Channel.SMS, NoticeStatus.UNCERTAIN),
        NoticeRow("n3", "m1", Channel.EMAIL, NoticeStatus.ACCEPTED),
    ]
    account = account_notices(messages, choices, rows, Counter({"n1": 1, "n2": 1, "n3": 2}))
    assert (account.due, account.sent, account.uncertain, account.twice) == (4, 2, 1, 1)
    assert account.uncertain_received == 1
    assert account.missing == ["sms about message m1: None"]


def test_notices_of_one_claim_are_received_with_the_one_that_was_sent() -> None:
    messages = messages_of(only_telling(case_of("moved")))
    rows = [
        NoticeRow("n1", "m0", Channel.SMS, NoticeStatus.ACCEPTED, "claim"),
        NoticeRow("n2", "m1", Channel.SMS, NoticeStatus.ACCEPTED, "claim"),
    ]
    choices = {PATIENT: (Channel.SMS,)}
    account = account_notices(messages, choices, rows, Counter({"n2": 1}))
    assert (account.due, account.sent, account.twice, account.missing) == (2, 2, 0, [])
    assert account_notices(messages, choices, rows, Counter({"n1": 1, "n2": 1})).twice == 1
    assert len(account_notices(messages, choices, rows, Counter()).missing) == 2


def test_an_accepted_notice_that_nobody_got_is_missing() -> None:
    messages = messages_of(only_telling(case_of("booked")))
    rows = [NoticeRow("n1", "m0", Channel.SMS, NoticeStatus.ACCEPTED)]
    account = account_notices(messages, {PATIENT: (Channel.SMS,)}, rows, Counter())
    assert account.missing == ["sms about message m0: accepted"]


def test_unreadable_engagements_of_one_request_may_share_a_dead_letter() -> None:
    case = case_of("odd_person")
    alone = Envelope("one", b'["<id>B1-1</id>"]', dead_reason="odd", origin="filter")
    account = account_dead([alone], [case])
    assert (account.explained, account.missing) == (Counter({"odd": 1}), [])
    with_sound = Envelope("two", b'["B1-1", "B2-1"]', dead_reason="odd", origin="filter")
    assert len(account_dead([with_sound], [case]).unexplained) == 1
    elsewhere = Envelope("three", b'["B1-1"]', dead_reason="odd", origin="composer")
    assert len(account_dead([elsewhere], [case]).unexplained) == 1
    assert account_dead([], [case]).missing == ["B1-1"]


def test_only_a_mixed_up_reply_explains_a_dead_letter() -> None:
    case = case_of("mixed_up")
    body = b'{"booking": {"booking_id": "B1-1"}}'
    letters = [
        Envelope("one", body, dead_reason="reply_mismatch", origin="fetcher"),
        Envelope("two", body, dead_reason="bug", origin="fetcher"),
        Envelope("three", b"{", dead_reason="reply_mismatch", origin="fetcher"),
    ]
    account = account_dead(letters, [case])
    assert account.explained == Counter({"reply_mismatch": 1})
    assert len(account.unexplained) == 2
    assert account.missing == []
    assert account_dead([], [case]).missing == ["B1-1"]


def test_a_plan_has_as_many_notifications_as_wanted_and_is_the_same_again() -> None:
    options = Options(count=1000, sources=5, duplicates=0.1, seed=3)
    plan = make_plan(options)
    steps = sum(len(beginning.history.steps) for beginning in plan.beginnings)
    assert (steps, len(plan.repetitions)) == (900, 100)
    assert make_plan(options) == plan
    assert make_plan(Options(count=1000, sources=5, duplicates=0.1, seed=4)) != plan
    assert {case.story for case in plan.cases} >= {*STORIES, *VISITS, "old_entry"}
    assert 50 < sum(case.lags for case in plan.cases) < 400


def test_booking_systems_that_are_activated_late_are_told_of_from_then_on() -> None:
    plan = make_plan(Options(count=1500, sources=9, seed=3))
    assert len(plan.late_sources) == 2
    at_once = 0
    for beginning in plan.beginnings:
        case = beginning.history.cases[0]
        activated = case.source.activates_at
        assert case.early == (beginning.at < activated)
        at_once += bool(activated) and beginning.at == activated
    assert sum(case.early for case in plan.cases) == 4
    assert at_once > 10


def test_an_update_about_nobody_who_can_be_named_is_odd() -> None:
    odd = history_of("odd_person")
    assert [is_odd(step) for step in odd.steps] == [True]
    assert not any(is_odd(step) for step in history_of("odd_elements").steps)
