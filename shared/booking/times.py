"""Times of the contracts: `YYYYMMDDhhmmss`, Swedish wall time without a zone.

Kept as received; instants are computed here alone, never with the machine's zone
(docs/domain.md, "Times").
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

STOCKHOLM = ZoneInfo("Europe/Stockholm")

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


def wall_text(moment: datetime) -> str:
    """The Swedish wall time of the aware `moment`, as `YYYYMMDDhhmmss`."""
    return moment.astimezone(STOCKHOLM).strftime("%Y%m%d%H%M%S")
