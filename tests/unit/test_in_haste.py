"""What follows quickly after each other: removed and created again, taken in the wrong order, moved
and renumbered at once.
"""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from shared.booking.identity import BookingKey
from shared.booking.messages import BookingChange, BookingDetails, FetchedBooking
from tests.unit.composer_world import (
    LATER,
    LIMITS,
    OTHER_UNIT,
    VISIT,
    WINDOW,
    Elsewhere,
    World,
    but,
    key,
)
from tests.unit.told_visits import MOVED_A, NEW_NUMBER, RENUMBERED_A, THERE, A, B, told_of_a

RENUMBERED_THERE = key("A", OTHER_UNIT, NEW_NUMBER)


@pytest.fixture
def world() -> World:
    return told_of_a()


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


# --- a removal and a creation of one booking, shortly after each other ---


@pytest.mark.parametrize(("again", "kinds"), [(VISIT, []), (LATER, ["changed_time"])])
def test_an_undone_removal_waits_until_its_source_must_show_the_creation(
    world: World, again: BookingDetails, kinds: list[str]
) -> None:
    world.remove(A)
    world.pass_time(seconds(20))
    world.hear(A)
    world.pass_time(seconds(40))
    world.source[A.digest] = again
    world.pass_time()
    assert world.kinds[1:] == kinds


def test_a_removal_that_its_source_shows_late_and_that_is_undone_is_silent(world: World) -> None:
    world.hear(A, deleted=True)
    world.pass_time(seconds(30))
    del world.source[A.digest]
    world.pass_time(seconds(30))
    world.hear(A)
    world.pass_time(seconds(30))
    world.source[A.digest] = VISIT
    world.pass_time()
    assert world.kinds == ["booking_confirmation"]


@pytest.mark.parametrize("known", [True, False])
def test_a_creation_taken_after_the_removal_that_followed_it_is_looked_into(known: bool) -> None:
    """Of two requests at once ingest took the later one first, and the source is behind."""
    world = World()
    world.source[A.digest] = VISIT
    if known:
        world.hear(A)
        world.pass_time(timedelta(days=1))
    world.hear(A, deleted=True)
    world.hear(A)
    world.pass_time(seconds(20))
    del world.source[A.digest]
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "cancellation"]


def test_a_creation_after_its_removal_ends_as_that_beside_another_visit_too(world: World) -> None:
    """The patient believes in another visit of its id, so the creation is waited for."""
    world.hear(MOVED_A, deleted=True)
    world.pass_time(seconds(10))
    del world.source[A.digest]
    removal, creation = world.take((A, True), (MOVED_A, False))
    world.hand(world.fetch(creation))
    world.hand(world.fetch(removal))
    world.pass_time(seconds(15))
    world.source[MOVED_A.digest] = THERE
    world.pass_time(seconds(40))
    del world.source[MOVED_A.digest]
    world.pass_time(timedelta(hours=1))
    assert world.kinds == ["booking_confirmation", "changed", "cancellation"]
    assert world.believed(MOVED_A) is None


def test_a_creation_shown_after_the_removal_was_judged_is_looked_into() -> None:
    world = World()
    world.hear(A, deleted=True)
    world.hear(A)
    world.pass_time(seconds(10))
    world.source[A.digest] = VISIT
    world.pass_time(seconds(10))
    del world.source[A.digest]
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "cancellation"]


@pytest.mark.parametrize(("again", "kinds"), [(VISIT, []), (LATER, ["changed_time"])])
def test_a_removal_undone_without_a_word_is_no_cancellation(
    world: World, again: BookingDetails, kinds: list[str]
) -> None:
    """Of what is removed and created again within its window the index sends the removal alone; and
    no creation of an entry whose removal spelt its HSA-ids in other letters."""
    world.remove(A)
    world.pass_time(seconds(20))
    world.source[A.digest] = again
    world.pass_time()
    assert world.kinds[1:] == kinds


def test_a_creation_that_a_move_has_overtaken_is_announced_with_the_move() -> None:
    """The index holds single updates back for a moment, others not; and the source is behind."""
    world = World()
    world.source[A.digest] = VISIT
    removal, creation = world.take((A, True), (MOVED_A, False))
    for change in (creation, removal, *world.take((A, False))):
        world.hand(world.fetch(change))
    world.pass_time(seconds(2))
    world.source[MOVED_A.digest] = THERE
    world.hand(world.fetch(creation))
    world.source[A.digest] = Elsewhere(moved_to=OTHER_UNIT)
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed"]
    assert (world.believed(A), world.believed(MOVED_A)) == (None, THERE)


def test_what_was_held_back_is_asked_about_once_more_before_it_is_new(world: World) -> None:
    """A move is undone, with another time; its removal at the new unit comes late."""
    world.source[MOVED_A.digest] = THERE
    [creation] = world.take((MOVED_A, False))
    [removal] = world.take((A, True))
    del world.source[A.digest]
    for change in (creation, removal):
        world.hand(world.fetch(change))
    assert world.outcomes[-2:] == ["waiting_for_pair", "waiting_for_pair"]
    world.pass_time(seconds(3))
    del world.source[MOVED_A.digest]
    world.create(A, LATER)
    world.pass_time(seconds(5))
    world.remove(MOVED_A)
    world.pass_time()
    assert world.kinds[1:] == ["changed_time"]
    assert (world.believed(A), world.believed(MOVED_A)) == (LATER, None)


@pytest.mark.parametrize(("asked_after", "expected"), [(0, [0, 0]), (100, [0])])
def test_a_removal_is_asked_about_once_more_before_it_is_a_cancellation(
    world: World, monkeypatch: pytest.MonkeyPatch, asked_after: int, expected: list[int]
) -> None:
    """Unless the source was asked long after it: where it has thousands to answer."""
    looks: list[int] = []
    fetch = world.fetch

    def counting(change: BookingChange) -> FetchedBooking:
        looks.append(change.looks)
        return fetch(change)

    monkeypatch.setattr(world, "fetch", counting)
    del world.source[A.digest]
    [removal] = world.take((A, True))
    world.pass_time(seconds(asked_after))
    world.hand(world.fetch(removal))
    world.pass_time(timedelta(days=1))
    assert world.kinds[1:] == ["cancellation"]
    assert looks == expected


# --- a unit that answers no longer ---


def test_a_clinic_that_moved_from_a_unit_that_has_closed_is_a_change(world: World) -> None:
    """The platform routes calls to the former unit no longer."""
    world.source[MOVED_A.digest] = THERE
    removal, creation = world.take((A, True), (MOVED_A, False))
    world.hand(world.fetch(creation))
    world.pass_time(WINDOW + LIMITS.longest_wait)
    assert world.kinds == ["booking_confirmation", "changed"]
    del world.source[A.digest]
    world.hand(world.fetch(removal))
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed"]


@pytest.mark.parametrize("moved_later", [False, True])
def test_a_unit_that_has_closed_needs_not_be_named_in_the_same_request(
    world: World, moved_later: bool
) -> None:
    """Nor is it hidden by another change at the new unit before it is told."""
    [_removal] = world.take((A, True))
    world.pass_time(seconds(20))
    world.source[MOVED_A.digest] = THERE
    world.hear(MOVED_A)
    if moved_later:
        world.pass_time(seconds(60))
        world.source[MOVED_A.digest] = but(THERE, starts=LATER.starts, ends=LATER.ends)
        world.hear(MOVED_A)
    world.pass_time(WINDOW + LIMITS.longest_wait)
    assert world.kinds == ["booking_confirmation", "changed_time" if moved_later else "changed"]


# --- person numbers that come and go, and visits that move meanwhile ---


def renumber(world: World, old: BookingKey, new: BookingKey) -> None:
    world.source[new.digest] = VISIT
    world.source[old.digest] = Elsewhere(of_another_patient=True)
    world.notify((old, True), (new, False))


@pytest.mark.parametrize("after", [3, 60, 400])
def test_a_number_that_came_back_is_no_news_to_its_patient(world: World, after: int) -> None:
    renumber(world, A, RENUMBERED_A)
    world.pass_time(seconds(after))
    renumber(world, RENUMBERED_A, A)
    world.pass_time()
    assert [message.patient for message in world.inbox.messages] == [A.patient, NEW_NUMBER]
    assert (world.believed(A), world.believed(RENUMBERED_A)) == (VISIT, None)
    world.remove(A)
    world.pass_time()
    assert (world.newest.patient, world.kinds[-1]) == (A.patient, "cancellation")


def test_a_number_that_came_back_before_its_loss_was_answered_is_no_incident(
    world: World,
) -> None:
    world.create(RENUMBERED_A, VISIT)
    [removal] = world.take((A, True))
    world.pass_time(seconds(5))
    world.hear(A)
    world.source[RENUMBERED_A.digest] = Elsewhere(of_another_patient=True)
    world.pass_time(seconds(20))
    world.hear(RENUMBERED_A, deleted=True)
    world.hand(world.fetch(removal))
    world.pass_time()
    assert "reply_mismatch" not in world.outcomes
    assert world.believed(RENUMBERED_A) is None


def test_moved_and_then_renumbered_is_not_cancelled(world: World) -> None:
    """It was never announced at the unit where its patient got another number."""
    del world.source[A.digest]
    removal, _ = world.take((A, True), (MOVED_A, False))
    world.source[RENUMBERED_THERE.digest] = THERE
    world.notify((MOVED_A, True), (RENUMBERED_THERE, False))
    world.hand(world.fetch(removal))
    world.pass_time(timedelta(days=2))
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]
    assert world.believed(RENUMBERED_THERE) == THERE


def test_renumbered_and_then_moved_is_not_cancelled(world: World) -> None:
    """It was never announced at its unit under the new number."""
    world.remove(A)
    world.take((RENUMBERED_A, False))
    world.pass_time(seconds(100))
    world.source[RENUMBERED_THERE.digest] = THERE
    world.notify((RENUMBERED_A, True), (RENUMBERED_THERE, False))
    world.pass_time(timedelta(days=2))
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]


@pytest.mark.parametrize(
    ("is_there", "kind"), [(True, "booking_confirmation"), (False, "cancellation")]
)
def test_a_creation_under_a_new_number_is_waited_for_as_long_as_it_may_be_answered(
    world: World, is_there: bool, kind: str
) -> None:
    world.remove(A)
    [creation] = world.take((RENUMBERED_A, False))
    if is_there:
        world.source[RENUMBERED_A.digest] = VISIT
    world.pass_time(timedelta(hours=3))
    assert world.kinds == ["booking_confirmation"]
    world.hand(world.fetch(creation))
    world.pass_time()
    assert world.kinds == ["booking_confirmation", kind]


def test_a_visit_whose_own_removal_was_taken_is_not_named_as_standing(world: World) -> None:
    world.create(B, LATER)
    world.remove(A)
    world.pass_time(seconds(20))
    world.remove(B)
    world.pass_time()
    assert world.kinds[-2:] == ["cancellation", "cancellation"]
    assert "13.30" not in world.inbox.messages[-2].body_text


def test_a_visit_that_has_begun_is_not_named_as_standing(world: World) -> None:
    """It was booked for the window in which the removal waits."""
    begins = world.now + seconds(20)
    wall = begins.astimezone(ZoneInfo("Europe/Stockholm")).strftime("%Y%m%d%H%M%S")
    world.create(B, but(LATER, starts=wall, ends=""))
    world.remove(A)
    world.pass_time()
    assert world.kinds[-1] == "cancellation"
    assert "gäller" not in world.inbox.messages[-1].body_text


def test_no_cancellation_waits_for_a_creation_that_its_source_has_denied(
    world: World,
) -> None:
    """The creation itself is stale by then, so nothing is noted of it."""
    [first] = world.take((RENUMBERED_A, True))
    world.pass_time(seconds(2))
    [second], [removal] = world.take((RENUMBERED_A, False)), world.take((A, True))
    del world.source[A.digest]
    world.source[RENUMBERED_A.digest] = VISIT
    world.pass_time(LIMITS.patience)
    answer = world.fetch(second)
    del world.source[RENUMBERED_A.digest]
    world.pass_time(seconds(30))
    world.hand(world.fetch(first))
    world.hand(answer)
    world.hand(world.fetch(removal))
    world.pass_time(timedelta(hours=1))
    assert world.kinds == ["booking_confirmation", "cancellation"]


def test_a_creation_that_is_stale_is_pending_no_longer() -> None:
    """What was asked about the removal before it is newer, and was judged first."""
    world = World()
    [removal] = world.take((RENUMBERED_A, True))
    world.pass_time(seconds(2))
    [creation] = world.take((RENUMBERED_A, False))
    world.source[RENUMBERED_A.digest] = VISIT
    world.pass_time(LIMITS.patience)
    answer = world.fetch(creation)
    del world.source[RENUMBERED_A.digest]
    world.hand(world.fetch(removal))
    world.hand(answer)
    assert world.outcomes[-1] == "stale"
    assert not world.inbox.pending


# --- a key that was corrected ---


def test_a_corrected_booking_that_its_source_does_not_show_yet_is_asked_about_again(
    world: World,
) -> None:
    del world.source[A.digest]
    [change] = world.take((A, False))
    world.hand(world.fetch(change.model_copy(update={"corrected": True})))
    world.pass_time(seconds(40))
    world.source[A.digest] = LATER
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time"]


def test_a_move_that_overtakes_the_creation_at_a_source_that_lags_is_one_change() -> None:
    """Its removal was that of a booking that nobody knew; then the source shows the first state,
    and the moved one before it shows that the first is gone."""
    world = World()
    moved = key("A", OTHER_UNIT)
    for each in world.take((A, True), (moved, False)):
        world.hand(world.fetch(each))
    world.source = {A.digest: VISIT}
    world.hear(A)
    assert world.kinds == ["booking_confirmation"]
    world.source[moved.digest] = LATER
    world.at(world.now + seconds(30), lambda: world.source.pop(A.digest))
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time"]
    assert (world.believed(A), world.believed(moved)) == (None, LATER)


def test_a_corrected_booking_that_is_gone_to_the_end_is_cancelled(world: World) -> None:
    """Two entries of it in the index, by a careless letter case: one of them is removed for good
    in the request that still creates the other."""
    del world.source[A.digest]
    world.notify((A, True), (A.replaced(logical_address=A.logical_address.lower()), False))
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "cancellation"]


def test_a_corrected_booking_that_nobody_was_told_of_is_not_cancelled(world: World) -> None:
    world.notify((B, True), (B, False))
    world.pass_time()
    assert world.kinds == ["booking_confirmation"]


def test_a_rebooking_whose_removal_the_broker_holds_back_is_one_message(world: World) -> None:
    """RabbitMQ hands messages to the consumer of a node that is gone, until it misses it."""
    world.create(A, VISIT)
    world.source = {B.digest: LATER}
    held = world.receive((A, True))
    world.hear(B)
    world.pass_time(timedelta(seconds=35))
    for message in world.filter(held):
        world.hand(world.fetch(message))
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "changed_time"]
    assert (world.believed(A), world.believed(B)) == (None, LATER)
