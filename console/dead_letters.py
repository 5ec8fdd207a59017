"""What an operator may read of a dead letter, and which letters a command means. Pure.

A letter whose body cannot be decoded is listed, replayed and discarded like any other; only what
would stand in its body is not known.
"""

import hashlib
import json
import re
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.base.errors import UndecodableMessage
from shared.base.redaction import redact
from shared.booking.identity import hsa_key, same_hsa_id
from shared.booking.messages import READS, BookingChange, FetchedBooking, Notification, QueueMessage
from shared.relay.broker import Aside, Broker, Envelope
from shared.relay.topology import Place

HIDDEN = "(hidden)"

#: The fields of messages that say nothing of a patient. All others are hidden: a field that is
#: added to a message is hidden until somebody decides that it belongs here.
_VISIBLE = frozenset(
    {
        *("version", "notification_id", "correlation_id", "change_id", "message_id"),
        *("received_at", "fetched_at", "slot", "expires_at", "caller", "deleted"),
        *("asked", "corrected", "moved_to", "of_another_patient", "looks", "asked_other"),
        *("service_domain", "categorization", "data_controller", "owner"),
        *("source_system", "logical_address", "booking_id", "is_call_letter", "unit", "problem"),
    }
)
#: Fields that hold other fields, which are judged one by one.
_CONTAINERS = frozenset({"engagements", "refused", "booking", "same_request", "details"})
#: Numbers, ids and digests in an error's text.
_VARYING = re.compile(r"[0-9A-Fa-f-]*\d[0-9A-Fa-f-]*")


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
    units: tuple[str, ...]  # the logical addresses of its bookings
    group: str  # id of the letters that are alike (`group_id`)
    aside: Aside | None  # who parked or discarded it, when, and why


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant; None and an empty set leave that open."""

    stages: tuple[str, ...]
    reason: str | None = None
    source: str | None = None
    ids: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    unit: str | None = None
    since: datetime | None = None  # died then or later

    def takes(self, letter: Letter) -> bool:
        return (
            (self.reason is None or letter.reason == self.reason)
            and (not self.ids or letter.id in self.ids)
            and (not self.groups or letter.group in self.groups)
            and (self.source is None or _is_among(self.source, letter.source_systems))
            and (self.unit is None or _is_among(self.unit, letter.units))
            and (self.since is None or _died_since(letter, self.since))
        )

    def takes_envelope(self, stage: str, envelope: Envelope) -> bool:
        return self._may_take(envelope) and self.takes(describe(stage, envelope))

    @property
    def takes_all(self) -> bool:
        """Whether every letter of its stages is meant."""
        return self == Selection(self.stages)

    def _may_take(self, envelope: Envelope) -> bool:
        """By what is known without decoding, which is half the time of a walk."""
        return (not self.ids or envelope.message_id in self.ids) and (
            self.reason is None or envelope.dead_reason == self.reason
        )

    def find(
        self, broker: Broker, place: Place = Place.DEAD, *, by: str = ""
    ) -> Generator[tuple[Letter, Envelope], None, None]:
        """The letters meant, oldest first in each stage; to be closed where not all are taken.

        Raises `BrokerUnavailable`; `DeadQueueBusy` when another operator holds them.
        """
        for stage in self.stages:
            with closing(broker.dead_letters(stage, place, by=by)) as envelopes:
                for envelope in filter(self._may_take, envelopes):
                    letter = describe(stage, envelope)
                    if self.takes(letter):
                        yield letter, envelope

    def __str__(self) -> str:
        """In words, for the log of actions."""
        filters = {
            "reason": self.reason,
            "source": self.source,
            "unit": self.unit,
            "since": self.since and self.since.isoformat(),
            "group": " ".join(sorted(self.groups)),
            "id": " ".join(sorted(self.ids)),
        }
        named = [f"{name} {value}" for name, value in filters.items() if value]
        return ", ".join([" ".join(self.stages), *named])


def describe(stage: str, envelope: Envelope) -> Letter:
    history = envelope.history
    message = _decoded(stage, envelope)
    sources = _sources_of(message)
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
        source_systems=sources,
        units=_units_of(message),
        group=group_id(stage, envelope.dead_reason, fingerprint(envelope), sources),
        aside=envelope.aside,
    )


def fingerprint(envelope: Envelope) -> str:
    """The error of the last failure, without what differs between letters that failed alike."""
    if not envelope.history:
        return ""
    last = envelope.history[-1]
    return f"{last.error} {_VARYING.sub('#', last.text)}".strip()


def group_id(stage: str, reason: str, error: str, sources: tuple[str, ...]) -> str:
    """The same for letters of one stage, reason, error fingerprint and source; 8 characters."""
    parts = json.dumps([stage, reason, error, sorted(map(hsa_key, sources))])
    return hashlib.sha256(parts.encode()).hexdigest()[:8]


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


def _decoded(stage: str, envelope: Envelope) -> QueueMessage | None:
    try:
        return READS[stage].decode(envelope.body)
    except UndecodableMessage:
        return None


def _units_of(message: QueueMessage | None) -> tuple[str, ...]:
    match message:
        case Notification():
            return tuple(sorted({one.logical_address for one in message.engagements} - {""}))
        case BookingChange() | FetchedBooking():
            return (message.booking.logical_address,)
        case _:
            return ()


def _sources_of(message: QueueMessage | None) -> tuple[str, ...]:
    match message:
        case Notification():
            systems = {one.source_system for one in message.engagements}
            systems |= {one.source_system for one in message.refused}
            return tuple(sorted(systems - {""}))
        case BookingChange() | FetchedBooking():
            return (message.booking.source_system,)
        case _:
            return ()


def _is_among(hsa_id: str, known: tuple[str, ...]) -> bool:
    return any(same_hsa_id(hsa_id, one) for one in known)


def _died_since(letter: Letter, since: datetime) -> bool:
    return letter.dead_since is not None and letter.dead_since >= since
