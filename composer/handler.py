"""Judges one fetched booking; stores what follows, writes the message, orders the notice.

All of it happens while the patient's bookings at that source are locked, and is stored before
anything is published. If the process dies in between, the broker hands the change out again, and
what was stored is found and published once more; the notifier knows a message it has seen.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from composer.candidates import Limits
from composer.history import History, window_begins, without_ended_waits
from composer.judgement import judge
from composer.lagging import ActivatedSource, LaggingSources
from composer.message_text import Writer, compose
from composer.patience import shows_late
from composer.pending import with_pending
from composer.verdict import Judgement, Reason
from shared.base.batches import once_each
from shared.base.clock import Clock
from shared.booking.identity import BookingKey
from shared.booking.inbox import (
    AnnouncedElsewhere,
    Announcement,
    HistoryWindow,
    InboxMessage,
    PendingChange,
    Watermark,
)
from shared.booking.messages import BookingChange, BookingDetails, FetchedBooking, NoticeOrder
from shared.booking.times import instant, is_wall_time
from shared.relay.outcomes import DeadLetter, Done, Drop, Outcome, Postpone, Publish

#: Nothing is left to be done, and nothing was dropped.
_ACHIEVED = (Reason.CARRIED_OVER,)
#: Of a request's other bookings, so many go along with a notice order.
_MOST_MEMBERS = 10


class ComposerDeadReason(StrEnum):
    NOT_A_TIME = "not_a_time"
    FETCHED_TOO_LONG_AGO = "fetched_too_long_ago"  # what was fetched since may be purged


class PatientBookings(Protocol):
    """What is known of one patient's bookings at one source, locked until the context ends."""

    @property
    def announcements(self) -> Sequence[Announcement]: ...

    @property
    def watermarks(self) -> Sequence[Watermark]: ...

    @property
    def pending(self) -> Sequence[PendingChange]: ...

    @property
    def pending_elsewhere(self) -> Sequence[PendingChange]:
        """Of other patients' bookings that have the judged one's id at its source."""

    @property
    def same_id_elsewhere(self) -> Sequence[Watermark]:
        """Of other patients' bookings that have the judged one's id at its source."""

    @property
    def announced_elsewhere(self) -> Mapping[str, AnnouncedElsewhere]:
        """Those of them that were announced, by digest."""

    def write(self, message: InboxMessage) -> None: ...

    def carry_over(
        self, announcement: Announcement, booking: BookingKey, details: BookingDetails
    ) -> None:
        """Let `announcement` be about `booking`, which is as `details` say, from now on."""

    def set_watermark(self, watermark: Watermark) -> None: ...


class BookingStore(Protocol):
    def locked(
        self, windows: Sequence[HistoryWindow]
    ) -> AbstractContextManager[Sequence[PatientBookings]]:
        """What is known within each of `windows`, no two of the same patient and source, nor of
        the same id at a source. What is written is stored at the end of the context, all of it or
        nothing."""


class ActivatedSources(Protocol):
    """The register: `find` answers None for a system that is not activated here.

    Raises `Unavailable` when that cannot be known; everything then waits.
    """

    def find(self, hsa_id: str) -> ActivatedSource | None: ...


class Composer:
    """The composer's handler.

    `sources` are asked at the moment of announcing: after a deactivation nothing is announced.
    `lagging` knows which of them show their changes late.
    `report_mismatch` is given the source of a reply about another person that nothing explains.
    `memory` is for how long is known what was judged of a booking of which nothing was announced.
    """

    def __init__(
        self,
        store: BookingStore,
        sources: ActivatedSources,
        writer: Writer,
        report_mismatch: Callable[[str], None],
        lagging: LaggingSources,
        *,
        limits: Limits,
        memory: timedelta,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._sources = sources
        self._writer = writer
        self._report_mismatch = report_mismatch
        self._lagging = lagging
        self._limits = limits
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
            activated = self._activated(batch.values())
            windows = [self._history_window(fetched) for fetched in batch.values()]
            with self._store.locked(windows) as stored:
                for (number, fetched), bookings in zip(batch.items(), stored, strict=True):
                    outcomes[number] = self._fault(fetched) or self._handle(
                        fetched, bookings, activated.get(fetched.booking.source_system)
                    )
        return [outcomes[number] for number in range(len(several))]

    def _activated(self, batch: Iterable[FetchedBooking]) -> dict[str, ActivatedSource]:
        """Asked before the bookings are locked: on SQLite the register could not be read then."""
        systems = {fetched.booking.source_system for fetched in batch}
        found = ((system, self._sources.find(system)) for system in systems)
        return {system: source for system, source in found if source is not None}

    def _history_window(self, fetched: FetchedBooking) -> HistoryWindow:
        others = tuple(member.booking for member in fetched.same_request)
        since = window_begins(fetched.received_at, self._limits.window)
        return HistoryWindow(fetched.booking, others, since)

    def _fault(self, fetched: FetchedBooking) -> DeadLetter | None:
        """Why `fetched` cannot be judged at all."""
        details = fetched.details
        if details and details.starts and not is_wall_time(details.starts):
            return DeadLetter(ComposerDeadReason.NOT_A_TIME)
        if fetched.fetched_at < self._clock() - self._memory:
            return DeadLetter(ComposerDeadReason.FETCHED_TOO_LONG_AGO)
        return None

    def _handle(
        self, fetched: FetchedBooking, bookings: PatientBookings, source: ActivatedSource | None
    ) -> Outcome:
        now = self._clock()
        ended = now - 2 * self._limits.longest_wait
        stored = History(
            tuple(bookings.announcements),
            tuple(without_ended_waits(bookings.watermarks, ended)),
            tuple(without_ended_waits(bookings.same_id_elsewhere, ended)),
            bookings.announced_elsewhere,
        )
        pending = bookings.pending, bookings.pending_elsewhere
        history, noted = with_pending(stored, *pending, now, self._limits.patience)
        for watermark in noted:
            bookings.set_watermark(watermark)
        system = fetched.booking.source_system
        lags = self._lagging.lags(system, source)
        is_activated = source is not None
        judgement = judge(fetched, history, now, self._limits, activated=is_activated, lags=lags)
        before = stored.watermark(fetched.booking.digest)
        if shows_late(fetched, before, is_changed=judgement.is_of_a_change):
            self._lagging.add(system)
        announcement = self._store_all(judgement, fetched, history, bookings)
        if judgement.reason is Reason.REPLY_MISMATCH:
            self._report_mismatch(system)
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
            bookings.carry_over(carried.announcement, carried.booking, carried.details)
        if judgement.announce is None:
            return judgement.announced_before
        message = compose(
            judgement.announce, fetched, history, self._writer, self._new_id(), self._clock()
        )
        bookings.write(message)
        return message


def _one_per_patient(several: Sequence[FetchedBooking]) -> list[dict[int, FetchedBooking]]:
    """Those of one patient at one source, or of one id, in different batches: each sees what came
    of the last."""
    return [dict(batch) for batch in once_each(enumerate(several), _keys)]


def _keys(numbered: tuple[int, FetchedBooking]) -> tuple[str, str]:
    booking = numbered[1].booking
    return booking.patient_bookings, booking.same_id


def _outcome(
    judgement: Judgement, fetched: FetchedBooking, announcement: Announcement | None
) -> Outcome:
    if judgement.is_dead:
        return DeadLetter(judgement.reason)
    asked = tuple(_asked(judgement, fetched)) if judgement.look_again else ()
    if announcement:
        return Publish((_notice_order(announcement, fetched), *asked), judgement.reason)
    if asked:
        return Publish(asked, judgement.reason)
    if judgement.wait is not None:
        return Postpone(judgement.wait, judgement.reason)
    if judgement.reason in _ACHIEVED:
        return Done(judgement.reason)
    return Drop(judgement.reason)


def _asked(judgement: Judgement, fetched: FetchedBooking) -> Iterator[BookingChange]:
    """What the source is to be asked: about another booking first, if there is a question."""
    if question := judgement.question:
        yield BookingChange(
            notification_id=fetched.notification_id,
            correlation_id=fetched.correlation_id,
            received_at=fetched.received_at,
            change_id=f"{fetched.change_id}.other",
            booking=question.booking,
            deleted=question.deleted,
            service_domain=fetched.service_domain,
            corrected=not question.deleted,  # if it is not there at once, the index will say more
            asked_other=True,  # the answer to a question leads to no other about the same two
        )
    asked_other = fetched.asked_other or judgement.question is not None
    is_doubted = judgement.reason is not Reason.ASKED_ONCE_MORE
    again = {"looks": fetched.looks + is_doubted, "asked_other": asked_other}
    yield BookingChange(**{**fetched.said, **again})


def _notice_order(announcement: Announcement, fetched: FetchedBooking) -> NoticeOrder:
    return NoticeOrder(
        notification_id=fetched.notification_id,
        correlation_id=fetched.correlation_id,
        received_at=fetched.received_at,
        change_id=fetched.change_id,
        message_id=announcement.id,
        patient=announcement.patient,
        booking_id=announcement.booking_id,
        change=_to_ask_again(fetched),
        expires_at=instant(announcement.starts) if announcement.starts else None,
    )


def _to_ask_again(fetched: FetchedBooking) -> BookingChange:
    """With the same id: if its announcement is still known, it is announced no second time."""
    members = fetched.same_request[:_MOST_MEMBERS]
    return BookingChange(**{**fetched.said, "same_request": members})
