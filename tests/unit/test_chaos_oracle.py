"""The oracle of the chaos runs finds what is lost, twice or false: else its zeros say nothing."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from shared.booking.notices import Channel, NoticeStatus
from shared.relay.broker import Envelope
from tests.chaos.accounts import (
    account_dead,
    account_notices,
    judge,
)
from tests.chaos.clinic import Clinic
from tests.chaos.ledger import NoticeRow
from tests.chaos.load import is_odd
from tests.chaos.plan import STORIES, VISITS, Options, make_plan
from tests.chaos.rebooking import Taking, Takings, entry
from tests.chaos.telling import Line
from tests.unit.chaos_cases import (
    PATIENT,
    SEEDS,
    SOURCE,
    WINDOW,
    case_of,
    history_of,
    judged,
    kinds,
    messages_of,
    only_telling,
    visits_of,
    wrongs,
)


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


def test_what_was_merged_into_a_removal_need_not_be_announced_where_the_system_lags() -> None:
    case = replace(case_of("corrected"), lags=True)
    key = entry(PATIENT, case.first_booking)
    request = Taking(1, 0, 1)
    merged = Takings(WINDOW, removed={key: request})
    passed_on = Takings(WINDOW, created={key: request}, removed={key: request})
    assert judge(case, 2, [], merged).wrongs == 0
    assert judge(case, 2, [], passed_on).lost == 1
    assert judge(replace(case, lags=False), 2, [], merged).lost == 1


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
    steps = sum(len(beginning.history.updates) for beginning in plan.beginnings)
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
