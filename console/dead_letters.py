"""What an operator may read of a dead letter, and which letters a command means. Pure.

A letter whose body cannot be decoded is listed, replayed and discarded like any other; only what
would stand in its body is not known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.base.errors import UndecodableMessage
from shared.base.redaction import redact
from shared.booking.identity import same_hsa_id
from shared.booking.messages import READS, BookingChange, FetchedBooking, Notification, QueueMessage
from shared.relay.broker import Broker, Envelope

HIDDEN = "(hidden)"

#: The fields of messages that say nothing of a patient. All others are hidden: a field that is
#: added to a message is hidden until somebody decides that it belongs here.
_VISIBLE = frozenset(
    {
        *("version", "notification_id", "correlation_id", "change_id", "message_id"),
        *("received_at", "fetched_at", "slot", "expires_at", "caller", "deleted"),
        *("asked", "corrected", "moved_to", "of_another_patient", "looks"),
        *("service_domain", "categorization", "data_controller", "owner"),
        *("source_system", "logical_address", "booking_id", "is_call_letter", "unit", "problem"),
    }
)
#: Fields that hold other fields, which are judged one by one.
_CONTAINERS = frozenset({"engagements", "refused", "booking", "same_request", "details"})


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter as it is listed."""

    id: str
    stage: str
    reason: str
    error: str  # class name of the error of the last failure, "" when there was none
    attempts: int
    first_failed: datetime | None
    last_failed: datetime | None
    dead_since: datetime | None
    replays: int
    source_systems: tuple[str, ...]  # a notification may hold several; none when not decodable


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant; None and an empty `ids` leave that open."""

    stages: tuple[str, ...]
    reason: str | None = None
    source: str | None = None
    ids: frozenset[str] = frozenset()

    def takes(self, letter: Letter) -> bool:
        return (
            (self.reason is None or letter.reason == self.reason)
            and (not self.ids or letter.id in self.ids)
            and (self.source is None or _is_from(letter, self.source))
        )

    def find(self, broker: Broker) -> Iterator[tuple[Letter, Envelope]]:
        """The letters meant, oldest first in each stage. Raises `BrokerUnavailable`."""
        for stage in self.stages:
            for envelope in broker.dead_letters(stage):
                letter = describe(stage, envelope)
                if self.takes(letter):
                    yield letter, envelope


def describe(stage: str, envelope: Envelope) -> Letter:
    history = envelope.history
    return Letter(
        id=envelope.message_id,
        stage=stage,
        reason=envelope.dead_reason,
        error=history[-1].error if history else "",
        attempts=envelope.attempt,
        first_failed=history[0].at if history else None,
        last_failed=history[-1].at if history else None,
        dead_since=envelope.dead_since,
        replays=envelope.replays,
        source_systems=_source_systems(stage, envelope),
    )


def visible_message(stage: str, envelope: Envelope) -> dict[str, Any]:
    """The fields of the body that say nothing of a patient, or what makes it undecodable."""
    try:
        message = READS[stage].decode(envelope.body)
    except UndecodableMessage as error:
        return {"undecodable": redact(str(error)), "bytes": len(envelope.body)}
    return {"type": type(message).__name__, **_visible_fields(message.model_dump(mode="json"))}


def _visible_fields(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _visible(name, value) for name, value in fields.items()}


def _visible(name: str, value: Any) -> Any:
    match value:
        case None | "":
            return value
        case str() if name in _VISIBLE:
            return redact(value)
        case dict() if name in _CONTAINERS:
            return _visible_fields(value)
        case list() if name in _CONTAINERS:
            return [_visible(name, inner) for inner in value]
        case _:
            return value if name in _VISIBLE else HIDDEN


def _source_systems(stage: str, envelope: Envelope) -> tuple[str, ...]:
    try:
        message = READS[stage].decode(envelope.body)
    except UndecodableMessage:
        return ()
    return _sources_of(message)


def _sources_of(message: QueueMessage) -> tuple[str, ...]:
    match message:
        case Notification():
            systems = {one.source_system for one in message.engagements}
            systems |= {one.source_system for one in message.refused}
            return tuple(sorted(systems - {""}))
        case BookingChange() | FetchedBooking():
            return (message.booking.source_system,)
        case _:
            return ()


def _is_from(letter: Letter, source: str) -> bool:
    return any(same_hsa_id(source, one) for one in letter.source_systems)
