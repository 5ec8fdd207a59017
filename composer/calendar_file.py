"""A calendar file (RFC 5545, RFC 5546) for messages about a time.

It adds the visit to the patient's calendar, or updates or cancels the entry that an earlier
message's file added: the UID is kept through rebookings and SEQUENCE rises. Times are written as
UTC instants: a calendar shows them in its own zone, and no table of summer times has to travel
along and stay right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from composer.dates import KEPT
from composer.noticeable import unit_of, who_of
from shared.booking.messages import BookingDetails
from shared.booking.times import end_moment, instant

_LINE_OCTETS = 75
_NO_ADDRESS = "invalid:nomail"
_NAMELESS = "Besök i vården"
_PRODUCT = "-//Budkavle//Inbox//SV"


@dataclass(frozen=True, slots=True)
class Entry:
    """One visit in the patient's calendar."""

    uid: str
    sequence: int
    details: BookingDetails  # with a time
    cancelled: bool = False


def calendar_file(entries: Sequence[Entry], written_at: datetime) -> str:
    """The text of an `.ics` file: METHOD is CANCEL when every entry is cancelled, else PUBLISH."""
    method = "CANCEL" if all(entry.cancelled for entry in entries) else "PUBLISH"
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{_PRODUCT}",
        f"METHOD:{method}",
        *(line for entry in entries for line in _event(entry, written_at)),
        "END:VCALENDAR",
    ]
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _event(entry: Entry, written_at: datetime) -> Iterator[str]:
    details = entry.details
    yield "BEGIN:VEVENT"
    yield f"UID:{entry.uid}"
    yield f"SEQUENCE:{entry.sequence}"
    yield f"DTSTAMP:{_utc(written_at)}"
    yield from _times(details.starts, details.ends)
    unit = unit_of(details)
    yield _organizer(unit)
    yield f"SUMMARY:{_escaped(_summary(unit, who_of(details)))}"
    if unit:
        yield f"LOCATION:{_escaped(unit)}"
    yield f"STATUS:{'CANCELLED' if entry.cancelled else 'CONFIRMED'}"
    yield "END:VEVENT"


@lru_cache(KEPT)
def _times(starts: str, ends: str) -> tuple[str, ...]:
    start = f"DTSTART:{_utc(instant(starts))}"
    end = end_moment(starts, ends)
    return (start, f"DTEND:{_utc(end)}") if end else (start,)


def _organizer(unit: str) -> str:
    """RFC 5546 wants one in every published or cancelled event. The clinic has no address to
    which a calendar could send anything, and gets none: `invalid:nomail` is what others write."""
    name = unit.replace('"', "'")
    return f'ORGANIZER;CN="{name}":{_NO_ADDRESS}' if name else f"ORGANIZER:{_NO_ADDRESS}"


def _summary(unit: str, who: str) -> str:
    return ", ".join(filter(None, (unit, who))) or _NAMELESS


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    for character in ("\\", ";", ","):
        text = text.replace(character, f"\\{character}")
    return text.replace("\n", "\\n")


def _folded(line: str) -> str:
    """Lines of at most 75 octets, the following ones led by a space; no character is cut."""
    if len(line.encode()) <= _LINE_OCTETS:
        return line
    folded, octets = [], 0
    for character in line:
        size = len(character.encode())
        if octets + size > _LINE_OCTETS:
            folded.append("\r\n ")
            octets = 1
        folded.append(character)
        octets += size
    return "".join(folded)
