"""Cursors: where the next page of a list begins, as opaque text.

A cursor holds the place of the last message of a page. It stays good when messages come or are
removed, that one too; it names no patient, and is good for the list of any.
"""

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta

from shared.store.inbox_reading import Position

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FORM = re.compile(r"([0-9]{1,17})\.([0-9]{1,9})\.([A-Za-z0-9_-]{1,40})", re.ASCII)
LONGEST = 128


def encode(place: Position) -> str:
    microseconds = (place.created_at - _EPOCH) // _MICROSECOND
    text = f"{microseconds}.{place.revision}.{place.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str) -> Position:
    """Raises ValueError for what `encode` never gave."""
    if len(cursor) > LONGEST:
        raise ValueError("is no cursor of this list")
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise ValueError("is no cursor of this list") from None
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("is no cursor of this list")
    microseconds, revision, message_id = match.groups()
    created_at = _EPOCH + int(microseconds) * _MICROSECOND
    return Position(created_at, int(revision), message_id)
