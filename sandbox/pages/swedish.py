"""Times in Swedish, as patients read them."""

from datetime import datetime

from shared.booking.times import STOCKHOLM

_DAYS = ("måndag", "tisdag", "onsdag", "torsdag", "fredag", "lördag", "söndag")
_MONTHS = (
    *("januari", "februari", "mars", "april", "maj", "juni"),
    *("juli", "augusti", "september", "oktober", "november", "december"),
)


def day(text: str) -> str:
    """An ISO time as `torsdag 3 december 2026`."""
    moment = _local(text)
    return f"{_DAYS[moment.weekday()]} {moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def short_day(text: str) -> str:
    """`3 december`, with the year when it is another than this one."""
    moment = _local(text)
    named = f"{moment.day} {_MONTHS[moment.month - 1]}"
    return named if moment.year == datetime.now(STOCKHOLM).year else f"{named} {moment.year}"


def clock(text: str) -> str:
    """`kl. 09.00`."""
    return f"kl. {_local(text):%H.%M}"


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(STOCKHOLM)
