"""The oracle of chaos on stories that are meant to confuse, and on what operators do meanwhile."""

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.booking.identity import hsa_key
from shared.relay.broker import Envelope
from tests.chaos.accounts import NOT_TAKEN, account_dead, after_deactivation, judge
from tests.chaos.cases import Case, is_of
from tests.chaos.clinic import Clinic
from tests.chaos.dates import times_ahead
from tests.chaos.plan import STORIES, Options, make_plan
from tests.chaos.rebooking import Taking, Takings, entry
from tests.chaos.telling import Line, Moment
from tests.unit.chaos_cases import (
    NOW,
    PATIENT,
    SEEDS,
    SOURCE,
    WINDOW,
    case_of,
    history_of,
    kinds,
    messages_of,
    only_telling,
    visits_of,
    wrongs,
)

CONFIRMED, CHANGED, CANCELLED = "booking_confirmation", "changed_time", "cancellation"


@pytest.mark.parametrize(
    ("story", "told"),
    [
        ("chain_in_haste", {(CONFIRMED, CHANGED), (CONFIRMED, CHANGED, CHANGED)}),
        ("chain_cancelled", {(CONFIRMED, CANCELLED), (CONFIRMED, CHANGED, CANCELLED)}),
        ("mixed_up_and_moved", {(CONFIRMED,)}),
        ("mixed_up_and_mended", {(CONFIRMED,)}),
    ],
)
def test_what_is_in_haste_may_pass_unseen(story: str, told: set[tuple[str, ...]]) -> None:
    for seed in SEEDS:
        assert kinds(case_of(story, seed=seed)) == told


def test_what_is_done_in_haste_is_begun_when_all_before_it_is_announced() -> None:
    _, first, second, *_ = history_of("chain_in_haste").steps
    assert first.awaits == (((PATIENT, hsa_key(SOURCE.hsa_id)), 1),)
    assert (first.at_once, second.at_once) == (False, True)


def test_in_which_order_bookings_are_told_of_in_haste_is_left_open() -> None:
    case = case_of("chain_cancelled", seed=1)
    told = max(case.tellings(len(case.moments)), key=len)
    second, first = told[-1], replace(told[0], kind=CANCELLED)
    assert first.booking_id != second.booking_id
    new = replace(told[1], kind=CONFIRMED)
    for lines in ((told[0], new, second, first), (told[0], new, first, second)):
        assert judge(case, len(case.moments), messages_of(lines), Takings(WINDOW)).wrongs == 0
    wrong = (told[0], second, new, first)
    assert judge(case, len(case.moments), messages_of(wrong), Takings(WINDOW)).wrongs == 1


def test_where_two_stood_side_by_side_a_third_may_be_in_the_place_of_either() -> None:
    """All three of them at one unit, and under ids of their own."""
    case = case_of("chain_in_haste", seed=2)
    bookings = list({moment.booking: _new(moment) for moment in case.moments[-1]}.items())
    lines = [line for _, line in bookings]
    gone = [replace(line, kind=CANCELLED) for line in lines[:2]]
    told = messages_of((*lines, *gone))
    _, second, third = (entry(PATIENT, booking) for booking, _ in bookings)
    first, request = entry(PATIENT, bookings[0][0]), Taking(3, 100, 101)
    removed = {first: request, second: request}
    before = Takings(WINDOW, {second: Taking(2, 99, 99.5), third: request}, removed)
    after = Takings(WINDOW, {second: Taking(4, 102, 103), third: request}, removed)
    assert judge(case, len(case.moments), told, before).wrongs == 0
    assert judge(case, len(case.moments), told, after).wrongs > 0
    for other in gone:
        third_for_one = messages_of((*lines[:2], replace(lines[2], kind=CHANGED), other))
        assert judge(case, len(case.moments), third_for_one, before).wrongs == 0
        assert judge(case, len(case.moments), third_for_one, after).wrongs > 0
        assert judge(case, len(case.moments), third_for_one[:3], before).lost_cancellations == 1
        twice = messages_of((*lines[:2], *[replace(lines[2], kind=CHANGED)] * 2))
        assert judge(case, len(case.moments), twice, before).wrongs > 0


def returning_chain() -> Case:
    """The third booking is the first one, at another time."""
    cases = (case_of("chain_in_haste", seed=seed) for seed in range(200))
    visits = ((case, [one.booking for one in case.moments[-1]]) for case in cases)
    return next(case for case, [first, *_, last] in visits if first == last)


@pytest.mark.parametrize(("seconds", "is_acceptable"), [(1, False), (2 * WINDOW, True)])
def test_a_booking_that_comes_back_after_the_window_may_be_cancelled_before(
    seconds: float, is_acceptable: bool
) -> None:
    """Nobody saw the one that stood in its place meanwhile."""
    case = returning_chain()
    first, second, last = (_new(moment) for moment in case.moments[-1])
    key = entry(PATIENT, case.first_booking)
    other = entry(PATIENT, case.moments[-1][1].booking)
    takings = Takings(
        WINDOW,
        created={key: Taking(1, 0, 0), other: Taking(3, 101, 101)},
        removed={key: Taking(2, 100, 100), other: Taking(4, 101, 101)},
        created_last={key: Taking(5, 100 + seconds, 100 + seconds)},
    )
    told = messages_of((first, replace(first, kind=CANCELLED), last))
    assert (judge(case, len(case.moments), told, takings).wrongs == 0) is is_acceptable
    seen = messages_of((first, second, replace(last, kind=CHANGED)))
    assert judge(case, len(case.moments), seen, takings).lost_cancellations == 0


def test_a_booking_that_comes_back_may_have_changed_while_another_one_stood_beside_it() -> None:
    case = returning_chain()
    first, second, last = (_new(moment) for moment in case.moments[-1])
    gone = replace(second, kind=CANCELLED)
    told = messages_of((first, second, replace(last, kind=CHANGED), gone))
    key = entry(PATIENT, case.first_booking)
    other = entry(PATIENT, case.moments[-1][1].booking)
    removed = {key: Taking(3, 100, 101), other: Taking(5, 103, 104)}
    created = {key: Taking(1, 0, 0), other: Taking(2, 99, 99.5)}
    takings = Takings(WINDOW, created, removed, {key: Taking(4, 102, 103)})
    assert judge(case, len(case.moments), told, takings).wrongs == 0


def _new(moment: Moment) -> Line:
    assert moment.state is not None
    return Line(CONFIRMED, moment.booking.booking_id, moment.state.starts, moment.state.performer)


def undone_after(seconds: float) -> Takings:
    key = entry(PATIENT, case_of("undone").first_booking)
    return Takings(
        WINDOW,
        created={key: Taking(1, 0, 1)},
        removed={key: Taking(2, 100, 101)},
        created_last={key: Taking(3, 100 + seconds, 101 + seconds)},
    )


def test_a_removal_that_is_undone_at_once_is_not_announced() -> None:
    case = case_of("undone", seed=1)
    confirmed, *_ = max(case.tellings(3), key=len)
    cancelled = replace(confirmed, kind=CANCELLED)
    last = case.moments[-1][-1].state
    assert last is not None
    again = replace(confirmed, starts=last.starts)
    told = messages_of((confirmed, cancelled, again))
    assert judge(case, 3, told, undone_after(1)).wrongs > 0
    assert judge(case, 3, told, undone_after(60)).wrongs == 0


def test_another_patient_s_visit_with_the_same_id_says_nothing_of_this_one() -> None:
    both, silent = 0, 0
    for seed in SEEDS:
        mine, theirs = visits_of("shared_id", seed)
        assert mine.first_booking.booking_id == theirs.first_booking.booking_id
        assert mine.first_booking.unit != theirs.first_booking.unit
        assert mine.patient != theirs.patient
        assert kinds(mine) == {(CONFIRMED, CANCELLED)}
        both += kinds(theirs) == {(CONFIRMED,)}
        silent += kinds(theirs) == {()}
    assert both
    assert silent


def test_a_booking_in_another_system_with_the_same_id_stands_whatever_happens() -> None:
    for seed in SEEDS:
        one, other = visits_of("two_systems", seed)
        assert one.patient == other.patient
        assert one.first_booking.booking_id == other.first_booking.booking_id
        assert is_of(one) != is_of(other)
        assert all(CANCELLED not in told for told in kinds(other))


def test_each_of_two_rebookings_that_cross_is_one_message() -> None:
    for seed in SEEDS:
        for case in visits_of("crossing", seed):
            assert {len(told) for told in kinds(case)} == {2}


def test_a_careless_system_writes_the_same_in_several_ways() -> None:
    clinic = Clinic(random.Random(7), SOURCE, "20121212AAPT", "B1")
    clinic.careless = True
    said = [clinic.engagement(clinic.booking) for _ in range(20)]
    assert {one.registered_resident_identification for one in said} == {
        "20121212AAPT",
        "20121212AApt",
    }
    assert len({one.logical_address for one in said}) > 1
    assert {hsa_key(one.logical_address) for one in said} == {clinic.booking.unit}


def test_some_visits_are_at_an_edge_of_the_calendar() -> None:
    times = [time for seed in range(300) for time in times_ahead(random.Random(seed))]
    hours = Counter(time[8:10] for time in times)
    assert hours["02"]
    assert hours["23"]
    assert hours["00"]
    assert {len(time) for time in times} == {14}


# --- what operators do ---


def test_nothing_need_be_told_of_a_system_that_is_deactivated_meanwhile() -> None:
    ending = replace(SOURCE, deactivates_at=5)
    case = replace(case_of("cancelled"), source=ending)
    told = only_telling(case_of("cancelled"))
    for number in range(3):
        assert judge(case, 2, messages_of(told[:number])).wrongs == 0
    assert wrongs(judge(case, 2, messages_of(told[1:]))) != {}


def test_what_is_told_after_the_deactivation_is_found() -> None:
    told = {(PATIENT, SOURCE.hsa_id): messages_of(only_telling(case_of("moved")))}
    first, second = told[PATIENT, SOURCE.hsa_id]
    assert list(after_deactivation(told, {})) == []
    assert list(after_deactivation(told, {SOURCE.hsa_id: first.created_at})) == [second]
    late = {SOURCE.hsa_id: NOW + timedelta(days=2)}
    assert list(after_deactivation(told, late)) == []


def test_a_mix_up_that_was_mended_may_have_been_a_dead_letter() -> None:
    letter = Envelope(
        "one",
        b'{"booking": {"booking_id": "B1-1"}}',
        dead_reason="reply_mismatch",
        origin="fetcher",
    )
    for story in ("mixed_up_and_moved", "mixed_up_and_mended"):
        case = case_of(story)
        assert account_dead([letter], [case]).unexplained == []
        assert account_dead([], [case]).missing == []
    assert len(account_dead([letter], [case_of("booked")]).unexplained) == 1


def test_a_mix_up_is_mended_without_an_update() -> None:
    history = history_of("mixed_up_and_mended")
    assert (len(history.steps), history.updates) == (2, [0])
    assert judge(history.cases[0], 1, [], NOT_TAKEN).wrongs == 0
    assert wrongs(judge(history.cases[0], 2, [], NOT_TAKEN)) == {"lost": 1}


def test_a_plan_deactivates_some_systems_and_mends_only_where_that_can_be_seen() -> None:
    plan = make_plan(Options(count=3000, seed=3))
    ending = plan.ending_sources
    assert len(ending) == 4
    assert not any(source.activates_at for source in ending)
    mended = [case for case in plan.cases if case.story == "mixed_up_and_mended"]
    assert mended
    assert not any(case.source in ending for case in mended)
    assert STORIES.keys() >= {case.story for case in mended}
