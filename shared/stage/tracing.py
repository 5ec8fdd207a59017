"""Names for log lines, and steps for `budkavle trace`, of what a stage handles."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import structlog

from shared.base.clock import utcnow
from shared.booking.digests import KeyedDigests
from shared.booking.identity import hsa_key
from shared.booking.messages import (
    BookingChange,
    Engagement,
    FetchedBooking,
    NoticeOrder,
    Notification,
    QueueMessage,
)
from shared.relay.worker import Handled
from shared.stage.settings import CommonSettings

if TYPE_CHECKING:
    from shared.store.trace_writer import TraceWriter
    from shared.store.traces import TraceStep

log = structlog.get_logger()

#: How many digests one log line holds at most.
_BOOKINGS_IN_A_LINE = 20
#: Engagements of other domains are no bookings: of them not even a digest is kept.
_NO_BOOKING = "other_domain"


class DroppedEngagements(NamedTuple):
    """Engagements that went no further, each with the filter's reason."""

    notification: Notification
    dropped: tuple[tuple[str, Engagement], ...]
    at: datetime


class Tracer:
    """Of one process. Without a key in `settings` neither lines nor steps hold digests.

    Steps are written while `settings.trace` is on and the process writes into the database at all
    (`settings.shows_itself`).
    """

    def __init__(self, stage: str, settings: CommonSettings) -> None:
        self._stage = stage
        self._settings = settings
        self._digests = settings.digests
        self._writer: TraceWriter[Handled | DroppedEngagements] | None = None
        self._close: Callable[[], None] = lambda: None

    def start(self) -> None:
        if not self._settings.trace or not self._settings.shows_itself:
            return
        # Here, since ingest, which has no use for it, would start later for it.
        from shared.store.engine import open_database
        from shared.store.trace_writer import TraceWriter
        from shared.store.traces import TraceStore

        url = self._settings.database_url.get_secret_value()
        database = open_database(url, pool_size=1, durable=False)
        self._writer = TraceWriter(self._stage, TraceStore(database).write, self._steps)
        self._close = database.close
        self._writer.start()

    def stop(self) -> None:
        if self._writer:
            self._writer.stop()
        self._close()

    def log_context(self, message: QueueMessage) -> Mapping[str, str]:
        """The message's own ids, and which booking of which system it is about."""
        match message:
            case BookingChange() | FetchedBooking():
                names = {**message.log_context, "source": hsa_key(message.booking.source_system)}
                patient, booking_id = message.booking.patient, message.booking.booking_id
            case NoticeOrder():
                names = message.log_context
                patient, booking_id = message.patient, message.booking_id
            case _:
                return message.log_context
        if self._digests and booking_id:
            names["booking"] = self._digests.booking(patient, booking_id)
        return names

    def record(self, handled: Handled) -> None:
        if self._writer:
            self._writer.put(handled)

    def dropped(
        self, notification: Notification, dropped: Iterable[tuple[str, Engagement]]
    ) -> None:
        """Record engagements that the filter drops, and log the digests of the first of them."""
        bookings = tuple(each for each in dropped if each[0] != _NO_BOOKING)
        if not bookings:
            return
        if self._writer:
            self._writer.put(DroppedEngagements(notification, bookings, utcnow()))
        if self._digests:
            self._log(notification, bookings, self._digests)

    def _log(
        self,
        notification: Notification,
        bookings: tuple[tuple[str, Engagement], ...],
        digests: KeyedDigests,
    ) -> None:
        named = [
            digests.booking(engagement.patient, engagement.booking_id)
            for _, engagement in bookings[:_BOOKINGS_IN_A_LINE]
        ]
        log.info("bookings_dropped", bookings=" ".join(named), **notification.log_context)

    def _steps(self, item: "Handled | DroppedEngagements") -> "Iterator[TraceStep]":
        from shared.stage.trace_steps import StepsOf

        steps = StepsOf(self._stage, self._digests)
        return steps.handled(item) if isinstance(item, Handled) else steps.dropped(*item)
