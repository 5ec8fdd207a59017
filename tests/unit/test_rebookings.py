"""Rebookings: one message that names the old and the new time, and no guess when it is unclear."""

from datetime import timedelta
from itertools import chain, islice, permutations

import pytest

from shared.booking.identity import BookingKey
from shared.booking.messages import BookingDetails
from tests.unit.composer_world import (
    CALL,
    LATER,
    LIMITS,
    NOW,
    OPEN_CALL,
    OTHER_UNIT,
    PASSED,
    PATIENCE,
    SOON,
    VISIT,
    WINDOW,
    World,
    but,
    key,
)

A, B, C, D = (key(name) for name in "ABCD")
ELSEWHERE = but(LATER, unit=OTHER_UNIT, unit_name="Ögonmottagningen Bergby")
LATER_STILL = but(VISIT, starts="20261215100000", ends="")
OTHER_KIND = but(LATER, care_type_name="Fysioterapi", performer_name="Cia Falk")
OLD_TIME, NEW_TIME = "torsdag 3 december 2026 kl. 09.00", "torsdag 10 december 2026 kl. 13.30"
CANCELLED_AND_NEW = ["booking_confirmation", "cancellation"]  # sorted


@pytest.fixture
def world() -> World:
    """The patient was told of booking A a day ago."""
    world = World()
    world.create(A, VISIT)
    world.pass_time(timedelta(days=1))
    return world


def announced_beforehand(*bookings: BookingKey) -> World:
    """The patient was told of each of `bookings`, at one time or another, a day ago."""
    world = World()
    for number, booking in enumerate(bookings):
        world.create(booking, but(VISIT, starts=f"202612{number + 3:02}090000", ends=""))
    world.pass_time(timedelta(days=1))
    return world


def announced_as_rebooked(world: World) -> bool:
    text = world.newest.body_text
    return world.newest.kind == "changed_time" and OLD_TIME in text and NEW_TIME in text


# --- in one request ---


def test_in_one_request(world: World) -> None:
    world.rebook(A, B, LATER)
    assert world.kinds[1:] == ["changed_time"]
    assert announced_as_rebooked(world)
    assert world.newest.booking == B.digest


def test_in_one_request_with_the_creation_fetched_first(world: World) -> None:
    world.source = {B.digest: LATER}
    removal, creation = world.take((A, True), (B, False))
    for message in (creation, removal):
        world.hand(world.fetch(message))
    assert world.kinds[1:] == []
    world.pass_time(timedelta(seconds=10))
    assert announced_as_rebooked(world)
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


def test_another_unit_alone_is_no_evidence(world: World) -> None:
    world.rebook(A, B, ELSEWHERE)
    moved = key("B", OTHER_UNIT)
    world = World()
    world.create(A, VISIT)
    world.rebook(A, moved, ELSEWHERE)
    world.pass_time()
    assert sorted(world.kinds[1:]) == CANCELLED_AND_NEW


def test_another_kind_of_visit_is_another_visit(world: World) -> None:
    world.rebook(A, B, OTHER_KIND)
    assert world.kinds[1:] == ["booking_confirmation"]
    world.pass_time()
    assert world.kinds[1:] == ["booking_confirmation", "cancellation"]


@pytest.mark.parametrize(
    ("old", "new", "is_one_visit"),
    [
        pytest.param({}, {}, True, id="all equal"),
        pytest.param({"performer_name": "Bo"}, {}, True, id="another performer, same care"),
        pytest.param(
            {"care_type_name": "", "time_type_name": ""},
            {"care_type_name": "", "time_type_name": ""},
            True,
            id="the performer alone",
        ),
        pytest.param(
            {"care_type_name": "", "performer_name": "Bo"},
            {"care_type_name": ""},
            False,
            id="another performer and nothing else",
        ),
        pytest.param(
            {"care_type_name": "", "performer_name": ""},
            {"care_type_name": "", "performer_name": ""},
            False,
            id="nothing is known",
        ),
        pytest.param(
            {"care_type_name": "", "performer": "Läkare"},
            {"care_type_name": "", "performer": "Läkare", "performer_name": "Bo"},
            False,
            id="a profession in place of the performer's id",
        ),
        pytest.param(
            {"care_type_name": "", "performer": "SE2321000016-P1"},
            {"care_type_name": "", "performer": "SE2321000016-P1", "performer_name": "Bo"},
            True,
            id="the performer's id",
        ),
        pytest.param(
            {"time_type_name": "Nybesök"}, {"time_type_name": "Operation"}, False, id="time type"
        ),
        pytest.param(
            {"time_type_id": "1", "time_type_name": "Nybesök"},
            {"time_type_id": "1", "time_type_name": "Första besök"},
            True,
            id="time type's id",
        ),
        pytest.param(
            {"time_type_id": "1", "time_type_name": "Besök"},
            {"time_type_id": "2", "time_type_name": "besök "},
            True,
            id="time type's name",
        ),
        pytest.param({"time_type_id": "1"}, {"time_type_id": "2"}, False, id="time types' ids"),
        pytest.param({"care_type_id": "1"}, {"care_type_id": "2"}, True, id="care type's name"),
        pytest.param({"care_type_name": "Öra"}, {"care_type_name": "Öga"}, False, id="care type"),
        pytest.param({"time_type_id": "1"}, {}, True, id="one does not say its time type"),
    ],
)
@pytest.mark.parametrize("apart", [False, True], ids=["one request", "two requests"])
def test_evidence_is_the_unit_and_the_kind_of_visit(
    old: dict[str, str], new: dict[str, str], *, is_one_visit: bool, apart: bool
) -> None:
    world = World()
    world.create(A, but(VISIT, **old))
    world.pass_time(timedelta(days=1))
    if apart:
        world.remove(A)
        world.create(B, but(LATER, **new))
    else:
        world.rebook(A, B, but(LATER, **new))
    world.pass_time()
    assert sorted(world.kinds[1:]) == (["changed_time"] if is_one_visit else CANCELLED_AND_NEW)


def test_the_source_must_say_that_the_removed_one_is_gone(world: World) -> None:
    world.source[B.digest] = LATER
    world.notify((A, True), (B, False))
    world.pass_time(PATIENCE - timedelta(seconds=1))
    assert world.kinds[1:] == []
    world.pass_time()
    assert world.kinds[1:] == ["booking_confirmation"]
    assert world.believed(A) == VISIT
    assert world.believed(B) == LATER


def test_it_may_say_so_late(world: World) -> None:
    world.source[B.digest] = LATER
    world.notify((A, True), (B, False))
    world.pass_time(timedelta(seconds=40))
    world.source.pop(A.digest)
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


def test_the_new_one_may_be_shown_late(world: World) -> None:
    world.source.pop(A.digest)
    world.notify((A, True), (B, False))
    world.pass_time(WINDOW + timedelta(seconds=10))
    assert world.kinds[1:] == []
    world.source[B.digest] = LATER
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


def test_the_new_one_may_never_be_shown(world: World) -> None:
    world.source.pop(A.digest)
    world.notify((A, True), (B, False))
    world.pass_time(timedelta(minutes=10))
    assert world.kinds[1:] == ["cancellation"]


def test_what_replaces_a_booking_never_announced_is_new() -> None:
    world = World()
    world.rebook(A, B, LATER)
    assert world.kinds == ["booking_confirmation"]


def test_the_late_creation_of_what_was_replaced_says_nothing() -> None:
    world = World()
    world.source[A.digest] = VISIT
    creation = world.ask_about(A)
    world.rebook(A, B, LATER)
    world.hand(creation)
    world.pass_time()  # ingest may have taken the removal too early, so the source is asked again
    assert world.kinds == ["booking_confirmation"]
    assert world.outcomes[-1] == "gone_at_source"


def test_what_replaces_a_passed_time_is_new() -> None:
    world = World()
    world.create(A, SOON)
    world.pass_time(timedelta(minutes=2))
    world.rebook(A, B, LATER)
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]


def test_what_replaces_a_cancelled_booking_is_new(world: World) -> None:
    world.remove(A)
    world.pass_time()
    world.rebook(A, B, LATER)
    assert world.kinds[1:] == ["cancellation", "booking_confirmation"]


def test_an_open_call_replaced_by_a_booking_is_announced_as_such() -> None:
    world = World()
    world.create(A, OPEN_CALL)
    world.rebook(A, B, VISIT)
    world.pass_time()
    assert world.kinds[1:] == ["booking_confirmation"]
    assert "Din kallelse är nu en bokad tid" in world.newest.body_text


def test_a_timed_call_replaced_by_a_booking_names_both_times() -> None:
    world = World()
    world.create(A, CALL)
    world.rebook(A, B, LATER)
    assert announced_as_rebooked(world)
    assert "Kallelsen är nu en bokad tid" in world.newest.body_text


def test_a_new_id_alone_says_nothing_and_is_known_from_then_on(world: World) -> None:
    world.rebook(A, B, VISIT)
    assert world.outcomes[-1] == "carried_over"
    world.create(B, LATER)
    assert announced_as_rebooked(world)
    world.remove(A)
    world.remove(B)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time", "cancellation"]


@pytest.mark.parametrize(
    "told", [{"purpose": "Fasta."}, {"reason": "Ont"}, {"time_type_name": "Besök"}]
)
def test_a_new_id_with_fewer_texts_takes_nothing_back(told: dict[str, str]) -> None:
    world = World()
    world.create(A, but(VISIT, **told))
    world.pass_time()
    world.rebook(A, B, VISIT)
    world.hear(B)
    world.pass_time()
    assert world.kinds == ["booking_confirmation"]
    assert world.believed(B) == VISIT


def test_a_chain_of_rebookings_keeps_one_calendar_entry(world: World) -> None:
    world.rebook(A, B, LATER)
    world.rebook(B, C, LATER_STILL)
    world.remove(C)
    world.pass_time()
    messages = world.inbox.messages
    assert [message.revision for message in messages] == [1, 2, 3, 4]
    assert len({message.calendar_uid for message in messages}) == 1
    assert world.kinds[1:] == ["changed_time", "changed_time", "cancellation"]


def test_rebooked_and_back_again(world: World) -> None:
    world.rebook(A, B, LATER)
    world.rebook(B, A, VISIT)
    world.pass_time()
    assert world.kinds[1:] == ["changed_time", "changed_time"]
    assert world.believed(A) == VISIT
    assert world.believed(B) is None


def test_the_removal_of_what_was_replaced_is_paired(world: World) -> None:
    world.rebook(A, B, LATER)
    world.remove(A)
    assert world.outcomes[-1] == "paired"


def test_what_was_replaced_and_is_there_again_is_new(world: World) -> None:
    world.rebook(A, B, LATER)
    world.create(A, VISIT)
    assert world.kinds[-1] == "booking_confirmation"
    world.remove(A)
    world.pass_time()
    assert world.kinds[-1] == "cancellation"


@pytest.mark.parametrize("replacement", [None, PASSED], ids=["gone", "in the past"])
def test_when_the_replacement_cannot_be_announced_the_booking_is_cancelled(
    world: World, replacement: BookingDetails | None
) -> None:
    world.source = {B.digest: PASSED} if replacement else {}
    world.notify((A, True), (B, False))
    world.pass_time(timedelta(minutes=10))
    assert world.kinds == ["booking_confirmation", "cancellation"]


def test_a_question_to_the_source_lost_in_a_crash_is_asked_again(world: World) -> None:
    world.source[B.digest] = LATER
    removal = world.ask_about(A, deleted=True)
    world.pass_time(timedelta(seconds=5))
    world.hand(removal)
    world.asked.clear()
    world.hand(removal)
    assert [change.booking for change in world.asked] == [A]


def test_the_pair_of_a_booking_that_was_created_again_since_is_void(world: World) -> None:
    world.source = {B.digest: LATER}
    messages = world.take((A, True), (B, False))
    world.source[A.digest] = VISIT
    again = world.ask_about(A)
    for each in (again, *map(world.fetch, messages)):
        world.hand(each)
    world.pass_time()
    assert world.kinds[1:] == ["booking_confirmation"]
    assert world.believed(A) == VISIT


# --- matching ---


def test_two_visits_rebooked_in_one_request_are_two_changes(world: World) -> None:
    world.create(B, OTHER_KIND)
    world.pass_time(timedelta(days=1))
    world.source = {C.digest: LATER_STILL, D.digest: but(OTHER_KIND, starts="20261220100000")}
    world.notify((A, True), (C, False), (B, True), (D, False))
    world.pass_time(timedelta(seconds=10))
    assert world.kinds[2:] == ["changed_time", "changed_time"]
    assert world.believed(C) == LATER_STILL


@pytest.mark.parametrize("apart", [False, True])
def test_two_removals_and_one_creation_are_not_guessed(world: World, *, apart: bool) -> None:
    world.create(B, LATER)
    world.pass_time(timedelta(days=1))
    world.source = {C.digest: LATER_STILL}
    requests = [[(A, True)], [(B, True)], [(C, False)]]
    for request in requests if apart else [[*chain.from_iterable(requests)]]:
        world.notify(*request)
    world.pass_time()
    assert sorted(world.kinds[2:]) == ["booking_confirmation", "cancellation", "cancellation"]


@pytest.mark.parametrize("overtaken", [False, True])
def test_what_was_not_guessed_is_not_guessed_later(*, overtaken: bool) -> None:
    """The same Update is sent again: the index passes on the removals alone. Whichever answer is
    judged first, and whatever is decided by then, the others are announced by themselves."""
    for order in islice(permutations(range(5)), 0, None, 7):
        world = announced_beforehand(A, B)
        world.source = {C.digest: LATER_STILL}
        requests = [[(A, True), (B, True), (C, False)], [(A, True), (B, True)]]
        times = [world.now, world.now + timedelta(seconds=1.5)]
        world.pass_time(timedelta(seconds=2))
        changes = [
            world.take(*requests[n], received_at=times[n]) for n in (overtaken, not overtaken)
        ]
        asked = [*chain.from_iterable(changes)]
        for number in order:
            world.hand(world.fetch(asked[number]))
        world.pass_time()
        assert sorted(world.kinds[2:]) == ["booking_confirmation", *["cancellation"] * 2], order


def test_a_source_that_does_not_answer_makes_nothing_less_ambiguous() -> None:
    world = announced_beforehand(A, B)
    world.source = {C.digest: LATER_STILL}
    removals = world.take((A, True), (B, True))
    world.create(C, LATER_STILL)
    world.pass_time(LIMITS.longest_wait + timedelta(minutes=1))
    assert world.kinds[2:] == ["booking_confirmation"]
    for message in removals:
        world.hand(world.fetch(message))
        world.pass_time()
    assert world.kinds[2:] == ["booking_confirmation", "cancellation", "cancellation"]


def test_the_removal_is_not_decided_before_a_creation_that_undoes_it(world: World) -> None:
    """The source is slow to answer about that creation."""
    world.remove(A)
    world.pass_time(timedelta(seconds=5))
    world.source[A.digest] = VISIT
    [creation] = world.take((A, False))
    world.pass_time(2 * WINDOW)
    assert world.kinds[1:] == []
    world.hand(world.fetch(creation))
    world.pass_time()
    assert world.kinds[1:] == []
    assert world.believed(A) == VISIT


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_creation_that_undoes_nothing_delays_a_cancellation_and_no_more(
    world: World, *, is_lost: bool
) -> None:
    world.remove(A)
    world.pass_time(timedelta(seconds=5))
    [creation] = world.take((A, False))
    world.pass_time(2 * WINDOW)
    if not is_lost:
        world.hand(world.fetch(creation))
    world.pass_time(WINDOW + LIMITS.longest_wait)
    assert world.kinds[1:] == ["cancellation"]


@pytest.mark.parametrize("apart", [False, True])
def test_one_removal_and_two_creations_are_not_guessed(world: World, *, apart: bool) -> None:
    world.source = {B.digest: LATER, C.digest: LATER_STILL}
    requests = [[(A, True)], [(B, False)], [(C, False)]]
    for request in requests if apart else [[*chain.from_iterable(requests)]]:
        world.notify(*request)
    world.pass_time()
    assert sorted(world.kinds[1:]) == [*CANCELLED_AND_NEW[:1], *CANCELLED_AND_NEW]


def test_a_second_creation_that_is_not_judged_yet_is_waited_for(world: World) -> None:
    world.source = {B.digest: LATER, C.digest: LATER_STILL}
    *first, creation_of_c = world.take((A, True), (B, False), (C, False))
    for message in first:
        world.hand(world.fetch(message))
    assert world.kinds[1:] == []
    world.hand(world.fetch(creation_of_c))
    world.pass_time()
    assert sorted(world.kinds[1:]) == [*CANCELLED_AND_NEW[:1], *CANCELLED_AND_NEW]


def test_one_that_is_never_judged_holds_nothing_back_for_ever(world: World) -> None:
    world.source = {B.digest: LATER}
    removal, creation, _lost = world.take((A, True), (B, False), (C, False))
    for message in (removal, creation):
        world.hand(world.fetch(message))
    world.pass_time(LIMITS.longest_wait + timedelta(seconds=30))
    assert announced_as_rebooked(world)


def test_an_outage_of_the_source_makes_no_two_messages(world: World) -> None:
    world.source = {B.digest: LATER}
    removal, creation = world.take((A, True), (B, False))
    world.hand(world.fetch(creation))
    world.pass_time(timedelta(minutes=12))
    assert world.kinds[1:] == []
    world.hand(world.fetch(removal))
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


@pytest.mark.parametrize("sent_again", [False, True])
def test_our_own_delays_part_no_pair(world: World, *, sent_again: bool) -> None:
    """The source answers about the creation long after the window: it is known to come."""
    world.source = {B.digest: LATER}
    removal = world.take((A, True))
    [creation] = world.take((B, False))
    for message in (*removal, *(world.take((A, True)) if sent_again else [])):
        world.hand(world.fetch(message))
    world.pass_time(3 * WINDOW)
    assert world.kinds[1:] == []
    world.hand(world.fetch(creation))
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


def test_after_an_outage_of_the_relay_what_came_meanwhile_is_waited_for(world: World) -> None:
    """Everything comes at once then, in any order."""
    removal = world.remove(A)
    world.source[B.digest] = LATER
    [taken_before] = world.take((B, False))
    world.waiting.clear()
    world.now += 2 * WINDOW
    world.hand(removal)
    world.pass_time(timedelta(seconds=1))
    world.hand(world.fetch(taken_before))
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


def test_after_an_outage_a_cancellation_is_announced_a_little_later(world: World) -> None:
    removal = world.remove(A)
    world.waiting.clear()
    world.now += 2 * WINDOW
    world.hand(removal)
    assert world.kinds[1:] == []
    world.pass_time(LIMITS.grace + timedelta(seconds=1))
    assert world.kinds[1:] == ["cancellation"]


def test_a_visit_of_the_removals_request_that_is_not_known_yet_holds_its_replacement_back(
    world: World,
) -> None:
    """It may be a better partner of the removed one, or none."""
    world.source = {B.digest: LATER}
    for message in world.take((C, False), (A, True)):
        world.hand(world.fetch(message))
    world.create(B, LATER)
    assert world.kinds[1:] == []
    world.pass_time(timedelta(minutes=10))
    assert world.kinds[1:] == ["changed_time"]


def test_one_of_two_removals_knows_of_the_creation_in_its_request(world: World) -> None:
    world.source = {B.digest: LATER}
    *first, creation = world.take((A, True), (B, False))
    for message in (*first, *world.take((A, True))):
        world.hand(world.fetch(message))
    world.pass_time(2 * WINDOW)
    world.hand(world.fetch(creation))
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


def test_a_second_removal_while_the_pair_waits_makes_it_unclear(world: World) -> None:
    world.create(B, LATER)
    world.pass_time(timedelta(days=1))
    world.remove(A)
    world.create(C, LATER_STILL)
    world.pass_time(timedelta(seconds=60))
    world.remove(B)
    world.pass_time()
    assert sorted(world.kinds[2:]) == ["booking_confirmation", "cancellation", "cancellation"]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("removed", ["unknown", "passed", "open call", "other kind"])
def test_a_removal_that_means_nothing_spoils_no_rebooking(removed: str, *, apart: bool) -> None:
    world = World()
    known = {"passed": SOON, "open call": OPEN_CALL, "other kind": OTHER_KIND}
    if removed in known:
        world.create(D, known[removed])
    world.create(A, VISIT)
    world.pass_time(timedelta(days=1))
    before = len(world.kinds)
    world.source = {B.digest: LATER}
    requests = [[(D, True)], [(A, True)], [(B, False)]]
    for request in requests if apart else [[*chain.from_iterable(requests)]]:
        world.notify(*request)
    world.pass_time()
    expected = ["changed_time", "cancellation"] if removed == "other kind" else ["changed_time"]
    assert sorted(world.kinds[before:]) == sorted(expected)


def test_a_chain_whose_middle_was_never_announced_is_one_change(world: World) -> None:
    world.remove(A)
    world.create(B, LATER_STILL)
    world.remove(B)
    world.create(C, LATER)
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]
    assert announced_as_rebooked(world)


def test_a_chain_of_pairs_of_which_the_first_was_not_fetched_in_time(world: World) -> None:
    """A to B and B to C, each in one request; the source was first asked when B was gone."""
    world.source = {C.digest: LATER}
    first = world.take((A, True), (B, False))
    second = world.take((B, True), (C, False))
    for message in (*first, *second):
        world.hand(world.fetch(message))
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]
    assert announced_as_rebooked(world)


@pytest.mark.parametrize("kind", ["the same", "another"])
def test_a_chain_by_way_of_another_unit(world: World, kind: str) -> None:
    """A moved, and was rebooked there before anybody asked about it."""
    moved = key("A", OTHER_UNIT)
    there = but(ELSEWHERE, care_type_name="Kirurgi") if kind == "another" else ELSEWHERE
    world.source = {key("C", OTHER_UNIT).digest: there}
    first = world.take((A, True), (moved, False))
    second = world.take((moved, True), (key("C", OTHER_UNIT), False))
    for message in (*first, *second):
        world.hand(world.fetch(message))
    world.pass_time(timedelta(minutes=10))
    assert sorted(world.kinds[1:]) == (
        ["changed_time"] if kind == "the same" else CANCELLED_AND_NEW
    )


# --- who can have taken whose place ---


def test_two_that_came_into_being_together_replace_each_other_never(world: World) -> None:
    world = World()
    world.source = {A.digest: VISIT, B.digest: LATER}
    world.notify((A, False), (B, False))
    world.pass_time(timedelta(seconds=20))
    world.remove(A)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "booking_confirmation", "cancellation"]


def test_one_that_was_there_before_replaces_nothing() -> None:
    world = World()
    world.create(B, LATER)
    world.create(A, VISIT)
    world.pass_time(timedelta(seconds=20))
    world.remove(A)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "booking_confirmation", "cancellation"]


def test_created_and_announced_before_the_removal_what_remains_is_said(world: World) -> None:
    world.create(B, LATER)
    world.pass_time(timedelta(seconds=5))
    world.remove(A)
    world.pass_time()
    assert world.kinds[1:] == ["booking_confirmation", "cancellation"]
    assert OLD_TIME in world.newest.body_text
    assert "ny tid" not in world.newest.body_text
    assert f"Den här tiden gäller: {NEW_TIME}" in world.newest.body_text


def test_created_before_the_removal_but_judged_after_it(world: World) -> None:
    world.source = {B.digest: LATER}
    creation = world.ask_about(B)
    world.hear(A, deleted=True)
    world.hand(creation)
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


def test_created_together_with_the_removed_one_and_judged_after_its_removal() -> None:
    world = World()
    world.source = {A.digest: VISIT, B.digest: LATER}
    creation_of_a, creation_of_b = map(world.fetch, world.take((A, False), (B, False))[-2:])
    world.hand(creation_of_a)
    world.remove(A)
    world.hand(creation_of_b)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "booking_confirmation", "cancellation"]


def test_removed_first_and_the_source_is_slow_to_answer_about_it(world: World) -> None:
    world.source = {B.digest: LATER}
    [removal] = world.take((A, True))
    world.create(B, LATER)
    assert world.kinds[1:] == []
    world.pass_time(timedelta(seconds=30))
    world.hand(world.fetch(removal))
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


def test_removed_first_and_the_filter_takes_it_last(world: World) -> None:
    world.source = {B.digest: LATER}
    taken_by_ingest = world.now
    world.create(B, LATER)
    [removal] = world.take((A, True), received_at=taken_by_ingest)
    world.hand(world.fetch(removal))
    world.pass_time()
    assert world.kinds[1:] == ["booking_confirmation", "changed_time"]
    assert announced_as_rebooked(world)


def test_a_source_with_much_to_answer_before_makes_no_two_messages(world: World) -> None:
    world.source = {B.digest: LATER}
    [removal], [creation] = world.take((A, True)), world.take((B, False))
    world.pass_time(timedelta(minutes=5))
    world.hand(world.fetch(removal))
    world.pass_time(timedelta(seconds=1))
    world.hand(world.fetch(creation))
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


def test_removed_and_created_again_before_anybody_looked(world: World) -> None:
    """Both are taken before the first is judged, and the source answers about the second late."""
    world.source.pop(A.digest)
    gone = world.ask_about(A, deleted=True)
    [creation] = world.take((A, False))
    world.source[A.digest] = VISIT
    world.hand(gone)
    world.pass_time(2 * WINDOW)
    world.hand(world.fetch(creation))
    world.pass_time()
    assert world.kinds[1:] == []


def test_a_removal_whose_message_was_lost_on_the_way_leaves_nothing_behind(world: World) -> None:
    world.take((A, True))
    world.pass_time(timedelta(days=2))
    world.remove(A)
    world.pass_time(timedelta(seconds=20))
    world.create(B, LATER)
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]


# --- in requests of their own ---


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


def test_the_calendar_entry_of_the_old_time_goes_when_both_were_announced(world: World) -> None:
    test_removed_first_and_the_filter_takes_it_last(world)
    uids = [message.calendar_uid for message in world.inbox.messages]
    calendar = world.newest.calendar or ""
    assert calendar.count("BEGIN:VEVENT") == 2
    kept, gone = calendar.split("END:VEVENT")[:2]
    assert f"UID:{uids[1]}" in kept
    assert "STATUS:CONFIRMED" in kept
    assert f"UID:{uids[0]}" in gone
    assert "STATUS:CANCELLED" in gone


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
