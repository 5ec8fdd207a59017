"""What is kept of one handled message: ids of ours, keyed digests, outcome, reason and times."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from shared.base.ids import spell
from shared.booking.digests import KeyedDigests
from shared.booking.identity import hsa_key
from shared.booking.messages import (
    BookingChange,
    Engagement,
    FetchedBooking,
    NoticeOrder,
    Notification,
)
from shared.relay.outcomes import Publish
from shared.relay.worker import Handled
from shared.store.traces import CORRELATION_LENGTH, TraceStep

_WAITING = {"retry", "postpone"}


class StepsOf:
    """Turns what `stage` did into rows. Without `digests` they hold none."""

    def __init__(self, stage: str, digests: KeyedDigests | None) -> None:
        self._stage = stage
        self._digests = digests

    def handled(self, handled: Handled) -> Iterator[TraceStep]:
        """One step for each booking."""
        match handled.message:
            case Notification() as notification:
                yield from self._of_notification(notification, handled)
            case (BookingChange() | FetchedBooking()) as change:
                names = self._names(change.booking.patient, change.booking.booking_id)
                yield self._step(
                    handled,
                    source_system=hsa_key(change.booking.source_system),
                    message_id=_ordered_message(handled),
                    **names,
                )
            case NoticeOrder() as order:
                yield self._step(
                    handled,
                    message_id=order.message_id,
                    channel=order.channel,
                    **self._names(order.patient, order.booking_id),
                )

    def dropped(
        self, notification: Notification, dropped: Sequence[tuple[str, Engagement]], at: datetime
    ) -> Iterator[TraceStep]:
        """Their change ids are those they would have had."""
        places = {id(each): place for place, each in enumerate(notification.engagements)}
        for reason, engagement in dropped:
            yield TraceStep(
                at=at,
                stage=self._stage,
                outcome="drop",
                reason=str(reason),
                attempt=1,
                notification_id=notification.notification_id,
                change_id=f"{notification.notification_id}-{spell(places[id(engagement)])}",
                received_at=notification.received_at,
                correlation_id=_correlation(notification),
                source_system=hsa_key(engagement.source_system),
                **self._names(engagement.patient, engagement.booking_id),
            )

    def _of_notification(self, notification: Notification, handled: Handled) -> Iterator[TraceStep]:
        correlation = {"correlation_id": _correlation(notification)}
        if not isinstance(handled.outcome, Publish):
            yield self._step(handled, change_id=notification.notification_id, **correlation)
            return
        for change in handled.outcome.messages:
            if isinstance(change, BookingChange):
                yield self._step(
                    handled,
                    change_id=change.change_id,
                    source_system=hsa_key(change.booking.source_system),
                    **correlation,
                    **self._names(change.booking.patient, change.booking.booking_id),
                )

    def _step(self, handled: Handled, **values: Any) -> TraceStep:
        message, disposition = handled.message, handled.disposition
        waits = disposition.outcome in _WAITING
        found: dict[str, Any] = {
            "at": handled.at,
            "stage": self._stage,
            "outcome": disposition.outcome,
            "reason": disposition.reason,
            "attempt": handled.attempt,
            "notification_id": getattr(message, "notification_id", ""),
            "change_id": getattr(message, "change_id", ""),
            "received_at": message.received_at,
            "until": disposition.publish[0].envelope.not_before if waits else None,
        }
        return TraceStep(**{**found, **values})

    def _names(self, patient: str, booking_id: str) -> dict[str, Any]:
        if self._digests is None:
            return {}
        booking = self._digests.booking(patient, booking_id) if booking_id else None
        return {"patient": self._digests.patient(patient), "booking": booking}


def _ordered_message(handled: Handled) -> str | None:
    """The inbox message of which a notice is ordered."""
    messages = handled.outcome.messages if isinstance(handled.outcome, Publish) else ()
    orders = (message.message_id for message in messages if isinstance(message, NoticeOrder))
    return next(orders, None)


def _correlation(notification: Notification) -> str | None:
    """What the sender wrote, as far as there is room for it."""
    return notification.correlation_id[:CORRELATION_LENGTH] or None
