"""Swedish dates and times, from wall time as the contracts write it.

Names stand here and not in a locale: the same on every machine.
"""

from datetime import datetime, time, timedelta
from functools import lru_cache

from shared.booking.times import end_moment, parse_wall

_WEEKDAYS = ("måndag", "tisdag", "onsdag", "torsdag", "fredag", "lördag", "söndag")
_MONTHS = (
    "januari",
    "februari",
    "mars",
    "april",
    "maj",
    "juni",
    "juli",
    "augusti",
    "september",
    "oktober",
    "november",
    "december",
)


#: Of so many times what was found last is kept: booking systems give the same ones again and again.
KEPT = 2000


def day(moment: datetime) -> str:
    """`torsdag 3 december 2026`."""
    weekday, month = _WEEKDAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{weekday} {moment.day} {month} {moment.year}"


def clock(moment: datetime) -> str:
    """`09.00`."""
    return f"{moment:%H.%M}"


@lru_cache(KEPT)
def when(starts: str, ends: str = "") -> str:
    """`torsdag 3 december 2026 kl. 09.00–09.30`; the end only when it is known and makes sense.

    `starts` is wall time, `YYYYMMDDhhmmss`; ValueError when it is not.
    """
    start = parse_wall(starts)
    text = f"{day(start)} kl. {clock(start)}"
    if not (ends := sensible_end(starts, ends)):
        return text
    end = parse_wall(ends)
    if end.date() == start.date():
        return f"{text}–{clock(end)}"
    if end.date() == start.date() + timedelta(days=1) and end.time() == time.min:
        return f"{text}–24.00"
    return f"{text} – {day(end)} kl. {clock(end)}"


def sensible_end(starts: str, ends: str) -> str:
    """`ends`, or "" when it is no time or not after `starts`."""
    return ends if end_moment(starts, ends) else ""
