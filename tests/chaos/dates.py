"""When visits begin: wall times in Sweden, as booking systems write them."""

import random
from datetime import datetime, timedelta

from shared.booking.times import STOCKHOLM

_HOURS, _QUARTERS = (8, 16), (0, 15, 30)
#: Of so many rows of times one has a time at an edge of the calendar.
_EDGE_ONE_OF = 8


def times_ahead(rng: random.Random) -> list[str]:
    """Different times of visits, all of them well ahead; some are at an edge of the calendar."""
    today = _now()
    days = rng.sample(range(10, 300), 8)
    times = [
        f"{today + timedelta(days=day):%Y%m%d}{rng.randint(*_HOURS):02}{rng.choice(_QUARTERS):02}00"
        for day in days
    ]
    if not rng.randrange(_EDGE_ONE_OF):
        times[rng.randrange(3)] = rng.choice(_edges(today.year + 1))
    return times


def passed_times() -> tuple[str, str]:
    """Long ago; and this very hour in Sweden, to which a clock of UTC has yet to come."""
    return "20200203100000", f"{_now():%Y%m%d%H}0000"


def _edges(year: int) -> tuple[str, ...]:
    """The hour that does not exist, the one that exists twice, and the turns of day and year."""
    spring, autumn = _last_sunday(year, 3), _last_sunday(year, 10)
    return (f"{spring}023000", f"{autumn}020000", f"{autumn}023000", f"{year}0101000000",
            f"{year}0110235900")  # fmt: skip


def _last_sunday(year: int, month: int) -> str:
    """Of a month of 31 days."""
    last = datetime(year, month, 31)  # noqa: DTZ001 - a date
    return f"{last - timedelta(days=(last.weekday() + 1) % 7):%Y%m%d}"


def _now() -> datetime:
    return datetime.now(STOCKHOLM)
