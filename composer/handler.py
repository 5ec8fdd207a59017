"""Judges one fetched booking; stores what follows, writes the message, orders the notice.

All of it happens while the patient's bookings at that source are locked, and is stored before
anything is published. If the process dies in between, the broker hands the change out again, and
what was stored is found and published once more; the notifier knows a message it has seen.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from composer.history import History
from composer.judgement import Judgement, judge
from composer.message_text import Writer, compose
from composer.pairing import window_begins
from shared.base.clock import Clock
from shared.booking.identity import BookingKey
from shared.booking.inbox import (
    Announcement,
    HistoryWindow,
    InboxMessage,
    Watermark,
    patient_bookings_key,
)
from shared.booking.messages import BookingChange, FetchedBooking, Message, NoticeOrder
from shared.booking.times import instant, is_wall_time
from shared.relay.outcomes import DeadLetter, Done, Drop, Outcome, Postpone, Publish


class PublishReason(StrEnum):
    """What was published, when it was no message to the patient; counted like a reason."""

    ASKED_ABOUT_REMOVED = "asked_about_removed"


class DeadReason(StrEnum):
    NOT_A_TIME = "not_a_time"
    FETCHED_TOO_LONG_AGO = "fetched_too_long_ago"  # what was fetched since may be purged


class PatientBookings(Protocol):
    """What is known of one patient's bookings at one source, locked until the context ends."""

    @property
    def announcements(self) -> Sequence[Announcement]: ...

    @property
    def watermarks(self) -> Sequence[Watermark]: ...

    def write(self, message: InboxMessage) -> None: ...

    def carry_over(self, announcement: Announcement, booking: BookingKey) -> None:
        """Let `announcement` be about `booking` from now on."""

    def set_watermark(self, watermark: Watermark) -> None: ...


class BookingStore(Protocol):
    def locked(
        self, windows: Sequence[HistoryWindow]
    ) -> AbstractContextManager[Sequence[PatientBookings]]:
        """What is known within each of `windows`, no two of the same patient and source. What is
        written is stored at the end of the context, all of it or nothing."""


class Composer:
    """The composer's handler.

    `window` is how long a removal waits for its replacement, `memory` for how long is known what
    was judged of a booking of which nothing was announced.
    """

    def __init__(
        self,
        store: BookingStore,
        writer: Writer,
        *,
        window: timedelta,
        memory: timedelta,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._writer = writer
        self._window = window
        self._memory = memory
        self._clock = clock
        self._new_id = new_id

    def __call__(self, fetched: FetchedBooking) -> Outcome:
        [outcome] = self.handle_batch([fetched])
        return outcome

    def handle_batch(self, several: Sequence[FetchedBooking]) -> list[Outcome]:
        """The outcome of each. A batch costs the database little more than one does alone."""
        outcomes: dict[int, Outcome] = {}
        for batch in _one_per_patient(several):
            windows = [self._history_window(fetched) for fetched in batch.values()]
            with self._store.locked(windows) as stored:
                for (number, fetched), bookings in zip(batch.items(), stored, strict=True):
                    outcomes[number] = self._fault(fetched) or self._handle(fetched, bookings)
        return [outcomes[number] for number in range(len(several))]

    def _history_window(self, fetched: FetchedBooking) -> HistoryWindow:
        bookings = tuple(key for key in (fetched.booking, fetched.replaces) if key)
        return HistoryWindow(bookings, window_begins(fetched.received_at, self._window))

    def _fault(self, fetched: FetchedBooking) -> DeadLetter | None:
        """Why `fetched` cannot be judged at all."""
        details = fetched.details
        if details and details.starts and not is_wall_time(details.starts):
            return DeadLetter(DeadReason.NOT_A_TIME)
        if fetched.fetched_at < self._clock() - self._memory:
            return DeadLetter(DeadReason.FETCHED_TOO_LONG_AGO)
        return None

    def _handle(self, fetched: FetchedBooking, bookings: PatientBookings) -> Outcome:
        history = History(tuple(bookings.announcements), tuple(bookings.watermarks))
        judgement = judge(fetched, history, self._clock(), self._window)
        announcement = self._store_all(judgement, fetched, history, bookings)
        return _outcome(judgement, fetched, announcement)

    def _store_all(
        self,
        judgement: Judgement,
        fetched: FetchedBooking,
        history: History,
        bookings: PatientBookings,
    ) -> Announcement | None:
        """The announcement of which a notice is to be ordered."""
        for watermark in judgement.watermarks:
            bookings.set_watermark(watermark)
        if carried := judgement.carry_over:
            bookings.carry_over(carried.announcement, carried.booking)
        if judgement.announce is None:
            return judgement.announced_before
        message = compose(
            judgement.announce, fetched, history, self._writer, self._new_id(), self._clock()
        )
        bookings.write(message)
        return message


def _one_per_patient(several: Sequence[FetchedBooking]) -> list[dict[int, FetchedBooking]]:
    """Those of one patient at one source in different batches: each sees what came of the last."""
    batches: list[dict[int, FetchedBooking]] = []
    of_patient: Counter[str] = Counter()
    for number, fetched in enumerate(several):
        key = patient_bookings_key(fetched.booking)
        if of_patient[key] == len(batches):
            batches.append({})
        batches[of_patient[key]][number] = fetched
        of_patient[key] += 1
    return batches


def _outcome(
    judgement: Judgement, fetched: FetchedBooking, announcement: Announcement | None
) -> Outcome:
    messages: list[Message] = []
    if announcement:
        messages.append(_notice_order(announcement, fetched))
    if judgement.unanswered_removal:
        messages.append(_question(judgement.unanswered_removal, fetched))
    if judgement.wait is not None and not messages:
        return Postpone(judgement.wait, judgement.reason)
    if not messages:
        return Done(judgement.reason) if judgement.carry_over else Drop(judgement.reason)
    reason = judgement.reason if announcement else PublishReason.ASKED_ABOUT_REMOVED
    return Publish(tuple(messages), reason)


def _notice_order(announcement: Announcement, fetched: FetchedBooking) -> NoticeOrder:
    return NoticeOrder(
        notification_id=fetched.notification_id,
        correlation_id=fetched.correlation_id,
        received_at=fetched.received_at,
        change_id=fetched.change_id,
        message_id=announcement.id,
        patient=announcement.patient,
        expires_at=instant(announcement.starts) if announcement.starts else None,
    )


def _question(removed: BookingKey, fetched: FetchedBooking) -> BookingChange:
    """Asks the source about a booking whose replacement was not announced as such."""
    return BookingChange(
        notification_id=fetched.notification_id,
        correlation_id=fetched.correlation_id,
        received_at=fetched.received_at,
        change_id=f"{fetched.change_id}.old",
        booking=removed,
        deleted=True,
        service_domain=fetched.service_domain,
    )
