"""Times of the contracts: `YYYYMMDDhhmmss`, Swedish wall time without a zone.

Kept as received; instants are computed here alone, never with the machine's zone
(docs/domain.md, "Times").
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

STOCKHOLM = ZoneInfo("Europe/Stockholm")
_NO_TIME = timedelta(0)
_SHORT = timedelta(hours=2)

_WALL_TIME = re.compile(r"([1-9]\d{3})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)


@lru_cache(maxsize=1024)  # the times of one booking are parsed many times
def parse_wall(text: str) -> datetime:
    """The wall time `text` as a naive datetime.

    Raises ValueError when it is not 14 digits that name a moment of the calendar.
    """
    match = _WALL_TIME.fullmatch(text)
    if match is None:
        raise ValueError("not a time of the form YYYYMMDDhhmmss")
    return datetime(*map(int, match.groups()))  # type: ignore[arg-type]  # noqa: DTZ001 - wall time


def is_wall_time(text: str) -> bool:
    try:
        parse_wall(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def instant(text: str) -> datetime:
    """The instant, in UTC, at which Swedish clocks show `text`. Raises ValueError as `parse_wall`.

    In the hour that exists twice (end of summer time) it is the first, so that a time counts as
    passed too early rather than too late. The hour that does not exist (start of summer time) is
    read with the offset before the change: 02:30 becomes 03:30 summer time.
    """
    return parse_wall(text).replace(tzinfo=STOCKHOLM).astimezone(UTC)


def end_moment(starts: str, ends: str) -> datetime | None:
    """The moment at which a visit ends, with the wall time as it was written and an offset that
    makes it a moment after its start; None when `ends` is no time, or not after `starts`.

    `starts` is wall time. A visit of less than two hours that starts in the hour that exists twice,
    or in the one that does not exist, is as long as its wall times say: it ends by the offset of
    its start. A longer one ends when the clocks say so. Else an end in the hour that exists twice
    may be the second of its kind.
    """
    if not is_wall_time(ends):
        return None
    start, end = parse_wall(starts).replace(tzinfo=STOCKHOLM), parse_wall(ends)
    if _is_unclear(start) and _NO_TIME < end - start.replace(tzinfo=None) < _SHORT:
        return end.replace(tzinfo=timezone(_offset(start)))
    for fold in (0, 1):
        moment = end.replace(tzinfo=STOCKHOLM, fold=fold)
        if moment.astimezone(UTC) > start.astimezone(UTC):
            return end.replace(tzinfo=timezone(_offset(moment)))
    return None


def _is_unclear(moment: datetime) -> bool:
    """Whether that wall time exists twice or not at all."""
    return _offset(moment.replace(fold=0)) != _offset(moment.replace(fold=1))


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or _NO_TIME


def wall_text(moment: datetime) -> str:
    """The Swedish wall time of the aware `moment`, as `YYYYMMDDhhmmss`."""
    return moment.astimezone(STOCKHOLM).strftime("%Y%m%d%H%M%S")
