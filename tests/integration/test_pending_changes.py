"""What the filter has passed on and the composer has not judged, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.booking.identity import BookingKey
from shared.booking.inbox import (
    HistoryWindow,
    PendingChange,
    Watermark,
)
from shared.store.engine import Database
from shared.store.inbox import Inbox
from shared.store.pending_changes import PendingChanges
from tests.unit.composer_world import NOW, OTHER_UNIT, key

A, B = key("A"), key("B")
SECOND = timedelta(seconds=1)
OTHERS = "201212121212"


@pytest.fixture
def pending(database: Database) -> PendingChanges:
    return PendingChanges(database)


def change(booking: BookingKey, *, after: int = 0, removal: bool = False) -> PendingChange:
    return PendingChange(
        booking=booking.digest,
        patient_bookings=booking.patient_bookings,
        same_id=booking.same_id,
        unit=booking.logical_address,
        is_removal=removal,
        received_at=NOW + after * SECOND,
        notification_id=f"request{after}",
    )


def judged(booking: BookingKey, *, after: int) -> Watermark:
    return Watermark(
        booking=booking.digest,
        patient_bookings=booking.patient_bookings,
        same_id=booking.same_id,
        fetched_at=NOW + after * SECOND,
        gone=False,
        received_at=NOW + after * SECOND,
        notification_id=f"request{after}",
        unit=booking.logical_address,
    )


def seen(database: Database, booking: BookingKey) -> list[PendingChange]:
    """Long after all of it."""
    with Inbox(database).locked([HistoryWindow(booking, (), NOW + timedelta(days=9))]) as [
        bookings
    ]:
        return sorted(bookings.pending, key=lambda each: each.booking)


def judge(database: Database, *watermarks: Watermark) -> None:
    with Inbox(database).locked([HistoryWindow(A, (), NOW)]) as [bookings]:
        for watermark in watermarks:
            bookings.set_watermark(watermark)


def test_all_that_is_pending_of_a_patient_is_seen(
    database: Database, pending: PendingChanges
) -> None:
    pending.add([])
    pending.add([change(A), change(B, removal=True), change(key("A", patient=OTHERS))])
    expected = sorted([change(A), change(B, removal=True)], key=lambda each: each.booking)
    assert seen(database, B) == expected


def test_what_is_pending_of_another_patient_with_the_same_id_is_seen_apart(
    database: Database, pending: PendingChanges
) -> None:
    pending.add([change(key("A", patient=OTHERS)), change(key("B", patient=OTHERS))])
    with Inbox(database).locked([HistoryWindow(A, (), NOW)]) as [bookings]:
        assert bookings.pending == []
        assert bookings.pending_elsewhere == [change(key("A", patient=OTHERS))]


@pytest.mark.parametrize(
    ("first", "then", "kept"),
    [
        (change(A), change(A, after=1), [0]),
        (change(A, after=1), change(A), [0]),
        (change(A, removal=True), change(A, after=1, removal=True), [0]),
        (change(A, after=1, removal=True), change(A, removal=True), [0]),
        (change(A), change(A, after=1, removal=True), [0, 1]),
        (change(A, removal=True), change(A, after=1), [0, 1]),
    ],
)
def test_the_first_removal_and_the_first_creation_are_kept(
    database: Database,
    pending: PendingChanges,
    first: PendingChange,
    then: PendingChange,
    kept: list[int],
) -> None:
    pending.add([first])
    pending.add([then])
    found = sorted(each.notification_id for each in seen(database, A))
    assert found == [f"request{number}" for number in kept]


def test_several_of_one_booking_at_once(database: Database, pending: PendingChanges) -> None:
    pending.add([change(A, after=2), change(A), change(A, after=1)])
    assert seen(database, A) == [change(A)]


def test_a_creation_after_the_removal_begins_anew(
    database: Database, pending: PendingChanges
) -> None:
    first, removed, again, sent_again = (
        change(A), change(A, after=1, removal=True), change(A, after=2), change(A, after=3),
    )  # fmt: skip
    pending.add([first, removed, again])
    pending.add([sent_again])
    assert sorted(seen(database, A), key=lambda each: each.received_at) == [removed, again]


def test_what_is_judged_is_pending_no_longer(database: Database, pending: PendingChanges) -> None:
    pending.add([change(A, after=1), change(B, after=1)])
    judge(database, judged(A, after=1))
    assert seen(database, A) == [change(B, after=1)]
    pending.add([change(A), change(A, after=1)])
    assert seen(database, A) == [change(B, after=1)], "handed out again after it was judged"
    pending.add([change(A, after=2)])
    assert change(A, after=2) in seen(database, A)


def test_a_creation_is_pending_after_the_removal_before_it_was_judged(
    database: Database, pending: PendingChanges
) -> None:
    pending.add([change(A, after=1, removal=True), change(A, after=2)])
    judge(database, judged(A, after=1))
    assert seen(database, A) == [change(A, after=2)]


def test_what_came_after_the_judged_one_is_still_pending(
    database: Database, pending: PendingChanges
) -> None:
    pending.add([change(A, after=2)])
    judge(database, judged(A, after=1))
    assert seen(database, A) == [change(A, after=2)]


def test_a_watermark_is_as_it_was_whatever_is_pending(
    database: Database, pending: PendingChanges
) -> None:
    watermark = replace(judged(A, after=1), first_seen_at=NOW)
    judge(database, watermark)
    pending.add([change(A, after=2, removal=True)])
    window = HistoryWindow(B, (), NOW + timedelta(days=9))
    with Inbox(database).locked([window]) as [bookings]:
        assert bookings.watermarks == [watermark], "known, since something of it is pending"


def test_the_filter_and_the_composer_never_wait_for_each_other_for_ever(
    database: Database, pending: PendingChanges
) -> None:
    """Both write the same rows, many at once: in the same order."""
    keys = [key(f"{number}", OTHER_UNIT) for number in range(40)]

    def add(after: int) -> None:
        several = keys if after % 2 else keys[::-1]
        pending.add([change(booking, after=after) for booking in several])

    def write(after: int) -> None:
        several = keys[::-1] if after % 2 else keys
        judge(database, *(judged(booking, after=after) for booking in several))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(task, after) for after in range(20) for task in (add, write)]:
            done.result()
    judge(database, judged(keys[0], after=20))
    assert change(keys[0], after=19) not in seen(database, keys[0])
