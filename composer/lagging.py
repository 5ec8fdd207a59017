"""Booking systems that lag: they tell the index of a change before their own store shows it."""

from datetime import datetime, timedelta

from shared.base.clock import Clock
from shared.booking.identity import hsa_key

#: A system that lags once does so with many of its changes.
_REMEMBERED = timedelta(hours=1)


class LaggingSources:
    """Those that this process saw showing a change late within the last hour. It forgets them when
    it ends: the first change that a system shows late is known to be late by itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_seen: dict[str, datetime] = {}

    def add(self, source_system: str) -> None:
        self._last_seen[hsa_key(source_system)] = self._clock()

    def __contains__(self, source_system: str) -> bool:
        seen = self._last_seen.get(hsa_key(source_system))
        return seen is not None and self._clock() < seen + _REMEMBERED
