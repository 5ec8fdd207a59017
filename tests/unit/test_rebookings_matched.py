"""Which new booking took the place of which removed one, and no guess when it is unclear."""

from datetime import timedelta
from itertools import chain, islice, permutations

import pytest

from tests.unit.composer_world import (
    LATER,
    LIMITS,
    OPEN_CALL,
    OTHER_UNIT,
    SOON,
    VISIT,
    WINDOW,
    World,
    but,
    key,
)
from tests.unit.told_visits import (
    CANCELLED_AND_NEW,
    ELSEWHERE,
    LATER_STILL,
    NEW_TIME,
    OLD_TIME,
    OTHER_KIND,
    A,
    B,
    C,
    D,
    announced_as_rebooked,
    announced_beforehand,
    told_of_a,
)


@pytest.fixture
def world() -> World:
    return told_of_a()


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
