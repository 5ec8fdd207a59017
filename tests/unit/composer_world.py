"""A small world for the composer's tests: a booking system, an inbox in memory, and a clock."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from composer.handler import Composer
from composer.history import History
from composer.message_text import Writer
from composer.wording import Wording
from shared.booking.identity import BookingKey
from shared.booking.inbox import (
    Announcement,
    HistoryWindow,
    InboxMessage,
    Watermark,
    patient_bookings_key,
)
from shared.booking.messages import BookingChange, BookingDetails, FetchedBooking, NoticeOrder
from shared.relay.outcomes import Outcome, Postpone, Publish

PATIENT = "191212121212"
SOURCE = "SE2321000016-SYS1"
UNIT = "SE2321000016-1HZ5"
OTHER_UNIT = "SE2321000016-2ABC"
NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
WINDOW = timedelta(seconds=90)
MEMORY = timedelta(days=30)
MOMENT = timedelta(milliseconds=1)

WORDING = Wording()

VISIT = BookingDetails(
    starts="20261203090000",
    ends="20261203093000",
    unit=UNIT,
    unit_name="Ögonmottagningen Sjöstad",
    performer_name="Anna Berg",
    care_type_name="Ögonsjukvård",
    cancel_allowed=True,
    rebook_allowed=True,
)
CALL = VISIT.model_copy(update={"is_call_letter": True, "purpose": "Ta med legitimation."})
OPEN_CALL = CALL.model_copy(update={"starts": "", "ends": ""})


def but(details: BookingDetails, **changes: Any) -> BookingDetails:
    return details.model_copy(update=changes)


LATER = but(VISIT, starts="20261210133000", ends="20261210140000")
PASSED = but(VISIT, starts="20261101090000", ends="20261101093000")
SOON = but(VISIT, starts="20261102090100", ends="")  # Swedish time: a minute after NOW


def key(booking_id: str, unit: str = UNIT, patient: str = PATIENT) -> BookingKey:
    return BookingKey(
        source_system=SOURCE, logical_address=unit, booking_id=booking_id, patient=patient
    )


@dataclass
class MemoryBookings:
    """What one transaction sees, and what it has written so far."""

    announcements: list[Announcement]
    watermarks: list[Watermark]
    written: list[InboxMessage] = field(default_factory=list)
    carried_over: dict[str, BookingKey] = field(default_factory=dict)
    changed: list[Watermark] = field(default_factory=list)

    def write(self, message: InboxMessage) -> None:
        self.written.append(message)

    def carry_over(self, announcement: Announcement, booking: BookingKey) -> None:
        self.carried_over[announcement.id] = booking

    def set_watermark(self, watermark: Watermark) -> None:
        self.changed.append(watermark)


class MemoryInbox:
    """The Protocol `composer.handler.BookingStore`, in memory."""

    def __init__(self) -> None:
        self.messages: list[InboxMessage] = []
        self.watermarks: dict[str, Watermark] = {}

    @contextmanager
    def locked(self, windows: Sequence[HistoryWindow]) -> Iterator[list[MemoryBookings]]:
        keys = {window.patient_bookings for window in windows}
        assert len(keys) == len(windows), "no two of the same patient and source"
        several = [self._within(window) for window in windows]
        yield several
        for seen in several:
            self._store(seen)

    def _within(self, window: HistoryWindow) -> MemoryBookings:
        digests = {booking.digest for booking in window.bookings}
        watermarks = [
            each
            for each in self.watermarks.values()
            if each.patient_bookings == window.patient_bookings
            and (each.booking in digests or each.awaiting or each.received_at >= window.since)
        ]
        digests |= {watermark.booking for watermark in watermarks}
        announcements: list[Announcement] = [
            message
            for message in self.messages
            if patient_bookings_key(message.key) == window.patient_bookings
            and (message.booking in digests or message.received_at >= window.since)
        ]
        return MemoryBookings(announcements, watermarks)

    def _store(self, seen: MemoryBookings) -> None:
        for watermark in seen.changed:
            self.watermarks[watermark.booking] = watermark
        self.messages = [
            replace(message, key=seen.carried_over.get(message.id, message.key))
            for message in [*self.messages, *seen.written]
        ]
        revisions = [(message.booking, message.revision) for message in self.messages]
        assert len(set(revisions)) == len(revisions), "unique (booking, revision)"


class World:
    """Hands changes to a composer and keeps what comes of them.

    `outcomes` are the reasons and notes in their order; `pass_time` brings back what was postponed.
    """

    def __init__(self, writer: Writer = WORDING) -> None:
        self.now = NOW
        self.source: dict[str, BookingDetails] = {}  # by digest of the booking's key
        self.inbox = MemoryInbox()
        self.outcomes: list[str] = []
        self.orders: list[NoticeOrder] = []
        self.asked: list[BookingChange] = []
        self.waiting: list[tuple[datetime, FetchedBooking]] = []
        self.about: dict[str, str] = {}  # which booking each change was about
        self._numbers = count(1)
        self.composer = Composer(
            self.inbox,
            writer,
            window=WINDOW,
            memory=MEMORY,
            clock=lambda: self.now,
            new_id=lambda: f"message{next(self._numbers)}",
        )

    @property
    def kinds(self) -> list[str]:
        """The kinds of all messages, in the order in which they were written."""
        return [str(message.kind) for message in self.inbox.messages]

    @property
    def newest(self) -> InboxMessage:
        return self.inbox.messages[-1]

    def believed(self, booking: BookingKey) -> BookingDetails | None:
        """The booking as its patient must take it to be after all messages; None: no booking."""
        everything = History(tuple(self.inbox.messages), tuple(self.inbox.watermarks.values()))
        standing = everything.standing(booking.digest)
        return standing.state if standing else None

    def create(
        self, booking: BookingKey, details: BookingDetails, *, replaces: BookingKey | None = None
    ) -> FetchedBooking:
        """The source creates or changes the booking; the composer hears of it at once."""
        self.source[booking.digest] = details
        if replaces:
            self.source.pop(replaces.digest, None)
        return self.hear(booking, replaces=replaces)

    def remove(self, booking: BookingKey) -> FetchedBooking:
        self.source.pop(booking.digest, None)
        return self.hear(booking, deleted=True)

    def hear(
        self,
        booking: BookingKey,
        *,
        deleted: bool = False,
        replaces: BookingKey | None = None,
    ) -> FetchedBooking:
        """A notification about the booking, fetched as the source has it now."""
        fetched = self.fetch(booking, deleted=deleted, replaces=replaces)
        self.hand(fetched)
        return fetched

    def fetch(
        self,
        booking: BookingKey,
        *,
        deleted: bool = False,
        replaces: BookingKey | None = None,
        received_at: datetime | None = None,
    ) -> FetchedBooking:
        self.now += MOMENT
        number = next(self._numbers)
        return FetchedBooking(
            notification_id=f"notification{number}",
            change_id=f"change{number}",
            received_at=received_at or self.now,
            booking=booking,
            deleted=deleted,
            service_domain="riv:crm:scheduling",
            replaces=replaces,
            fetched_at=self.now,
            details=self.source.get(booking.digest),
        )

    def hand(self, fetched: FetchedBooking) -> Outcome:
        """What the runner does: decoded from its bytes, judged, and the outcome carried out."""
        self.now += MOMENT
        self.about[fetched.change_id] = fetched.booking.digest
        outcome = self.composer(FetchedBooking.decode(fetched.encode()))
        self._carry_out(outcome, fetched)
        return outcome

    def hand_batch(self, several: Sequence[FetchedBooking]) -> list[Outcome]:
        """As `hand`, all in one go."""
        outcomes = self.composer.handle_batch(several)
        for outcome, fetched in zip(outcomes, several, strict=True):
            self._carry_out(outcome, fetched)
        return outcomes

    def _carry_out(self, outcome: Outcome, fetched: FetchedBooking) -> None:
        if isinstance(outcome, Postpone):
            self.waiting.append((self.now + outcome.delay, fetched))
        if isinstance(outcome, Publish):
            for message in outcome.messages:
                self._take(message)
        self.outcomes.append(str(outcome.note if isinstance(outcome, Publish) else outcome.reason))

    def _take(self, message: Any) -> None:
        if isinstance(message, NoticeOrder):
            self.orders.append(message)
        else:
            self.asked.append(message)

    def ask(self) -> None:
        """What the fetcher does with the questions of the composer."""
        while self.asked:
            question = self.asked.pop(0)
            fetched = self.fetch(
                question.booking, deleted=question.deleted, received_at=question.received_at
            )
            ids = question.model_dump(include={"notification_id", "change_id"})
            self.hand(fetched.model_copy(update=ids))

    def pass_time(self, passed: timedelta = 3 * WINDOW) -> None:
        end = self.now + passed
        while self.waiting and min(due for due, _ in self.waiting) <= end:
            self.waiting.sort(key=lambda entry: entry[0])
            due, fetched = self.waiting.pop(0)
            self.now = max(self.now, due)
            self.hand(fetched)
            self.ask()
        self.now = max(self.now, end)
