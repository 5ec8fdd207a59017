"""Converts what the relay knows about a message to the headers of a queue message, and back.

Only what differs from a fresh message is written, so most messages travel without headers. All
are plain text or whole numbers, which every broker keeps as they are. What cannot be read, in a
message that came from elsewhere, counts as absent: the body decides whether it is one of ours.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from shared.relay.broker import Aside, Envelope, Failure

#: The reason shown for a message that the broker itself dead-lettered: its readers died of it too
#: often.
DELIVERY_LIMIT_REASON = "delivery_limit"

ATTEMPT = "budkavle-attempt"
NOT_BEFORE = "budkavle-not-before"
DELAYED_AT = "budkavle-delayed-at"
HISTORY = "budkavle-history"
DEAD_REASON = "budkavle-dead-reason"
DEAD_SINCE = "budkavle-dead-since"
ORIGIN = "budkavle-origin"
REPLAYS = "budkavle-replays"
RUN = "budkavle-replay-run"
ASIDE = "budkavle-aside"
TRACEPARENT = "traceparent"  # as W3C Trace Context names it

Headers = Mapping[str, Any]

_T = TypeVar("_T")

_instant = TypeAdapter(AwareDatetime)
_history = TypeAdapter(tuple[Failure, ...])


def to_headers(envelope: Envelope) -> dict[str, str | int]:
    """The headers of `envelope`; its id and body travel beside them."""
    headers: dict[str, str | int] = {}
    if envelope.attempt != 1:
        headers[ATTEMPT] = envelope.attempt
    for name, instant in _instants_of(envelope):
        if instant is not None:
            headers[name] = instant.isoformat()
    if envelope.history:
        headers[HISTORY] = _history.dump_json(envelope.history, exclude_defaults=True).decode()
    if envelope.dead_reason:
        headers[DEAD_REASON] = envelope.dead_reason
    if envelope.origin or envelope.replays or envelope.aside:
        headers |= _of_its_deaths(envelope)
    if envelope.traceparent:
        headers[TRACEPARENT] = envelope.traceparent
    return headers


def _of_its_deaths(envelope: Envelope) -> dict[str, str | int]:
    headers: dict[str, str | int] = {}
    if envelope.origin:
        headers[ORIGIN] = envelope.origin
    if envelope.replays:
        headers[REPLAYS] = envelope.replays
    if envelope.run:
        headers[RUN] = envelope.run
    if envelope.aside is not None:
        headers[ASIDE] = envelope.aside.model_dump_json()
    return headers


def _instants_of(envelope: Envelope) -> Iterable[tuple[str, datetime | None]]:
    yield NOT_BEFORE, envelope.not_before
    yield DELAYED_AT, envelope.delayed_at
    yield DEAD_SINCE, envelope.dead_since


def from_headers(message_id: str, headers: Headers | None, body: bytes) -> Envelope:
    """The envelope of a queue message. Never fails."""
    if not headers:
        return Envelope(message_id, body)
    return Envelope(
        message_id=message_id,
        body=body,
        attempt=_count(headers, ATTEMPT, absent=1),
        not_before=_read(headers, NOT_BEFORE, _instant_of, None),
        delayed_at=_read(headers, DELAYED_AT, _instant_of, None),
        history=_read(headers, HISTORY, _history.validate_json, ()),
        dead_reason=_text(headers, DEAD_REASON),
        dead_since=_read(headers, DEAD_SINCE, _instant_of, None),
        origin=_text(headers, ORIGIN),
        replays=_count(headers, REPLAYS, absent=0),
        run=_text(headers, RUN),
        aside=_read(headers, ASIDE, Aside.model_validate_json, None),
        traceparent=_text(headers, TRACEPARENT),
    )


def dead_letter_from(message_id: str, headers: Headers | None, body: bytes, stage: str) -> Envelope:
    """As `from_headers`, for a dead letter of `stage`, whoever put it into the dead queue."""
    envelope = from_headers(message_id, headers, body)
    if envelope.dead_reason:
        return envelope
    return envelope._replace(dead_reason=DELIVERY_LIMIT_REASON, origin=stage)


def _instant_of(text: str) -> datetime:
    return _instant.validate_python(text)


def _read(headers: Headers, name: str, read: Callable[[str], _T], absent: _T) -> _T:
    value = headers.get(name)
    if not isinstance(value, str):
        return absent
    try:
        return read(value)
    except ValidationError:
        return absent


def _text(headers: Headers, name: str) -> str:
    return _read(headers, name, str, "")


def _count(headers: Headers, name: str, *, absent: int) -> int:
    value = headers.get(name)
    return value if isinstance(value, int) and value >= absent else absent
