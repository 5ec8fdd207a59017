"""The composer on real databases: what is stored, who waits for whom, and what a crash leaves."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event

import pytest
from sqlalchemy.exc import IntegrityError

from composer.handler import Composer
from shared.base.errors import Unavailable
from shared.base.ids import new_id
from shared.booking.inbox import AnnouncedElsewhere, HistoryWindow
from shared.booking.messages import FetchedBooking, NoticeOrder
from shared.relay.outcomes import Drop, Outcome, Postpone, Publish
from shared.store.engine import Database, open_database
from shared.store.inbox import Inbox
from shared.store.known_bookings import KnownBookings
from shared.store.migrate import migrate
from shared.store.pending_changes import PendingChanges
from tests.unit.composer_world import (
    CALL,
    LATER,
    LIMITS,
    MEMORY,
    NOW,
    OTHER_UNIT,
    PATIENT,
    UNIT,
    VISIT,
    WINDOW,
    WORDING,
    World,
    but,
    key,
)

A, B, C = (key(name) for name in "ABC")


@pytest.fixture
def inbox(database: Database) -> Inbox:
    return Inbox(database)


@pytest.fixture
def world(inbox: Inbox, database: Database) -> World:
    """The world of the unit tests, with its filter and its composer on the real database."""
    world = World()
    world.store_pending = PendingChanges(database).add
    world.composer = composer(inbox, world)
    return world


def composer(inbox: Inbox, world: World) -> Composer:
    return Composer(
        inbox,
        world.register,
        WORDING,
        world.mismatches.append,
        world.lagging,
        limits=LIMITS,
        memory=MEMORY,
        clock=lambda: world.now,
        new_id=new_id,
    )


def kinds(inbox: Inbox, patient: str = PATIENT) -> list[str]:
    """Oldest first."""
    return [str(message.kind) for message in reversed(inbox.list_for(patient))]


def orders(outcomes: list[Outcome]) -> list[NoticeOrder]:
    published = [outcome.messages for outcome in outcomes if isinstance(outcome, Publish)]
    return [order for batch in published for order in batch if isinstance(order, NoticeOrder)]


def test_a_message_is_read_as_it_was_written(inbox: Inbox, world: World) -> None:
    change = world.create(A, CALL)
    (message,) = inbox.list_for(PATIENT)
    assert inbox.get(message.id) == message
    assert inbox.by_ids([message.id, "none"]) == [message]
    assert inbox.get("none") is None
    assert message.key.digest == A.digest
    assert message.state == CALL
    assert message.fetched_at == change.fetched_at
    assert message.received_at == change.received_at
    assert message.change_id == change.change_id
    assert "Ta med legitimation." in message.body_text
    assert not message.read
    inbox.mark_read(message.id)
    assert [message.read for message in inbox.list_for(PATIENT)] == [True]


def test_a_patient_sees_only_the_own_messages_newest_first(inbox: Inbox, world: World) -> None:
    other = "201212121212"
    world.create(A, VISIT)
    world.create(A, LATER)
    world.create(key("A", patient=other), CALL)
    assert [message.kind for message in inbox.list_for(PATIENT)] == [
        "changed_time",
        "booking_confirmation",
    ]
    assert kinds(inbox, other) == ["timed_call"]


def test_a_story_of_rebookings(inbox: Inbox, world: World) -> None:
    world.create(A, VISIT)
    world.rebook(A, B, LATER)
    world.remove(A)
    world.pass_time()
    world.remove(B)
    world.create(C, but(VISIT, starts="20261215100000", ends=""))
    world.pass_time()
    world.remove(C)
    world.pass_time()
    assert kinds(inbox) == [
        "booking_confirmation",
        "changed_time",
        "changed_time",
        "cancellation",
    ]
    assert [message.revision for message in inbox.list_for(PATIENT)] == [4, 3, 2, 1]


def test_what_was_told_is_carried_over_to_a_new_id(inbox: Inbox, world: World) -> None:
    world.create(A, VISIT)
    world.rebook(A, B, VISIT)
    (message,) = inbox.list_for(PATIENT)
    assert message.booking_id == "B"
    world.create(B, LATER)
    assert kinds(inbox) == ["booking_confirmation", "changed_time"]


@pytest.mark.parametrize("unit", [UNIT, OTHER_UNIT])
def test_what_is_announced_with_this_id_under_another_number_is_known_with_its_unit(
    inbox: Inbox, world: World, unit: str
) -> None:
    other = key("A", unit, "201212121212")
    creation = world.create(other, VISIT)
    with inbox.locked([HistoryWindow(A, (), NOW)]) as [bookings]:
        announced = dict(bookings.announced_elsewhere)
        watermarks = [each.booking for each in bookings.same_id_elsewhere]
    assert announced == {other.digest: AnnouncedElsewhere(other, creation.received_at)}
    assert watermarks == [other.digest]


def test_hsa_ids_in_another_case_are_the_same_booking(inbox: Inbox, world: World) -> None:
    world.create(A, VISIT)
    lower = A.model_copy(
        update={
            "source_system": A.source_system.lower(),
            "logical_address": A.logical_address.lower(),
        }
    )
    world.create(lower, LATER)
    assert kinds(inbox) == ["booking_confirmation", "changed_time"]


def test_a_booking_is_known_once_the_filter_passed_a_change_of_it_on(
    database: Database, world: World
) -> None:
    known = KnownBookings(database)
    assert not known.has(A)
    world.take((A, False))
    assert known.has(A)
    assert not known.has(key("A", patient="201212121212"))


def test_handed_out_again_after_a_crash_the_same_order_comes_out(
    inbox: Inbox, world: World
) -> None:
    change = world.create(A, VISIT)
    world.pass_time(timedelta(days=1))
    world.hand(change)
    first, again = world.orders
    assert first == again
    assert kinds(inbox) == ["booking_confirmation"]


def test_an_error_undoes_all_of_a_judgement(inbox: Inbox, world: World) -> None:
    world.source[A.digest] = VISIT
    change = world.ask_about(A)

    class Mistake(Exception):
        pass

    class BrokenWriter:
        def render(self, *_: object, **__: object) -> None:
            raise Mistake

    broken = Composer(
        inbox,
        world.register,
        BrokenWriter(),  # type: ignore[arg-type]
        world.mismatches.append,
        world.lagging,
        limits=LIMITS,
        memory=MEMORY,
        clock=lambda: world.now,
        new_id=new_id,
    )
    with pytest.raises(Mistake):
        broken(change)
    assert isinstance(world.hand(change), Publish)


def test_the_same_change_many_times_at_once_is_told_once(inbox: Inbox, world: World) -> None:
    world.source[A.digest] = VISIT
    change = world.ask_about(A)
    outcomes = all_at_once(inbox, world, [change] * 8)
    assert kinds(inbox) == ["booking_confirmation"]
    assert len({order.message_id for order in orders(outcomes)}) == 1
    assert len(orders(outcomes)) == 8


def test_duplicates_of_a_notification_at_once_are_told_once(inbox: Inbox, world: World) -> None:
    world.source[A.digest] = VISIT
    outcomes = all_at_once(inbox, world, [world.ask_about(A) for _ in range(8)])
    assert kinds(inbox) == ["booking_confirmation"]
    assert len(orders(outcomes)) == 1
    assert sum(isinstance(outcome, Postpone | Drop) for outcome in outcomes) == 7


def test_two_changes_at_once_end_with_the_newer(inbox: Inbox, world: World) -> None:
    world.create(A, VISIT)
    changes = []
    for minute in range(10, 18):
        world.source[A.digest] = but(VISIT, starts=f"20261203{minute}0000", ends="")
        changes.append(world.ask_about(A))
    all_at_once(inbox, world, changes)
    messages = inbox.list_for(PATIENT)
    assert max(messages, key=lambda message: message.revision).starts == "20261203170000"
    assert sorted(message.revision for message in messages) == list(range(1, len(messages) + 1))


def test_a_removal_and_its_replacement_at_once_are_one_message(inbox: Inbox, world: World) -> None:
    world.create(A, VISIT)
    world.pass_time(timedelta(days=1))
    world.source.pop(A.digest)
    world.source[B.digest] = LATER
    changes = [world.ask_about(A, deleted=True), world.ask_about(B)]
    all_at_once(inbox, world, changes)
    world.waiting = [(world.now + WINDOW, change) for change in changes]
    world.pass_time()
    assert kinds(inbox) in (
        ["booking_confirmation", "changed_time"],
        ["booking_confirmation", "booking_confirmation", "changed_time"],
    )


def all_at_once(inbox: Inbox, world: World, changes: list[FetchedBooking]) -> list[Outcome]:
    """Each change judged by a composer of its own, all started at the same moment."""
    start = Barrier(len(changes))

    def judge(change: FetchedBooking) -> Outcome:
        mine = composer(inbox, world)
        start.wait()
        return mine(change)

    with ThreadPoolExecutor(len(changes)) as pool:
        return list(pool.map(judge, changes))


def test_changes_of_several_patients_are_judged_together(inbox: Inbox, world: World) -> None:
    others = key("A", patient="201212121212")
    for booking in (A, B, others):
        world.source[booking.digest] = VISIT
    world.hand_batch([world.ask_about(booking) for booking in (A, B, others)])
    world.source[others.digest] = LATER
    world.source[C.digest] = world.source.pop(B.digest)
    moved = [world.fetch(message) for message in world.take((B, True), (C, False))]
    world.hand_batch([*moved, world.ask_about(others), world.ask_about(A)])
    assert kinds(inbox) == ["booking_confirmation", "booking_confirmation"]
    assert {message.booking_id for message in inbox.list_for(PATIENT)} == {"A", "C"}
    assert [told.kind for told in inbox.list_for("201212121212")] == [
        "changed_time",
        "booking_confirmation",
    ]


def test_those_who_judge_the_same_patients_together_do_not_block_each_other(
    inbox: Inbox, world: World
) -> None:
    patients = [key("A", patient=f"1912121212{number:02d}") for number in range(12)]
    for booking in patients:
        world.source[booking.digest] = VISIT
    changes = [world.ask_about(booking) for booking in patients]
    start = Barrier(4)

    def judge(number: int) -> list[Outcome]:
        mine = composer(inbox, world)
        start.wait()
        return mine.handle_batch(changes if number % 2 else changes[::-1])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(judge, range(4)))
    assert [len(inbox.list_for(booking.patient)) for booking in patients] == [1] * 12


def test_patients_do_not_wait_for_each_other(postgres_url: str) -> None:
    migrate(postgres_url)
    database = open_database(postgres_url)
    inbox, entered, leave = Inbox(database), Event(), Event()

    def hold() -> None:
        with inbox.locked([HistoryWindow(A, (), NOW)]):
            entered.set()
            leave.wait(20)

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold)
        assert entered.wait(20)
        other = key("B", patient="201212121212")
        with inbox.locked([HistoryWindow(other, (), NOW)]) as [bookings]:
            assert list(bookings.announcements) == []
        assert not held.done()
        leave.set()
    database.close()


def test_a_revision_is_written_once(inbox: Inbox, world: World) -> None:
    world.create(A, VISIT)
    (message,) = inbox.list_for(PATIENT)
    with pytest.raises(IntegrityError), inbox.locked([HistoryWindow(A, (), NOW)]) as [bookings]:
        bookings.write(message)


def test_while_the_database_is_away_nothing_is_judged() -> None:
    away = open_database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    world = World()
    world.composer = composer(Inbox(away), world)
    world.source[A.digest] = VISIT
    with pytest.raises(Unavailable, match="database_unavailable"):
        world.hear(A)


def test_a_wait_outlives_the_composer(inbox: Inbox, world: World) -> None:
    world.create(A, VISIT)
    removal = world.remove(A)
    world.now += timedelta(seconds=60)
    world.composer = composer(inbox, world)
    outcome = world.hand(removal)
    assert isinstance(outcome, Postpone)
    assert outcome.delay < timedelta(seconds=31)


def test_of_a_new_person_number_nothing_is_cancelled(inbox: Inbox, world: World) -> None:
    new_number = "201212121212"
    world.create(A, VISIT)
    world.pass_time(timedelta(days=1))
    world.source = {key("A", patient=new_number).digest: VISIT}
    world.remove(A)
    world.hear(key("A", patient=new_number))
    world.pass_time()
    assert kinds(inbox) == kinds(inbox, new_number) == ["booking_confirmation"]


def test_a_clinic_that_moves_is_known_by_its_ids_however_long_ago(
    inbox: Inbox, world: World
) -> None:
    world.create(A, VISIT)
    world.pass_time(timedelta(days=1))
    moved = but(VISIT, unit=OTHER_UNIT, unit_name="Bergby")
    world.source = {key("A", OTHER_UNIT).digest: moved}
    world.hear(key("A", OTHER_UNIT))
    world.pass_time()
    assert kinds(inbox) == ["booking_confirmation", "changed"]


def test_what_is_held_back_is_compared_with_what_comes_after_it(inbox: Inbox, world: World) -> None:
    world.create(A, VISIT)
    world.pass_time(timedelta(days=1))
    world.remove(A)
    world.create(B, LATER)
    world.create(C, but(LATER, starts="20261215100000", ends=""))
    world.pass_time()
    assert sorted(kinds(inbox)) == [*["booking_confirmation"] * 3, "cancellation"]
