"""Booking systems that lag: they tell the index of a change before their own store shows it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Protocol

from shared.base.clock import Clock
from shared.booking.identity import hsa_key

#: A system that lags once does so with many of its changes.
_REMEMBERED = timedelta(hours=1)


class ActivatedSource(Protocol):
    """A booking system as the register has it."""

    @property
    def lagged_at(self) -> datetime | None:
        """When a composer last saw it show a change late."""


class LaggingSources:
    """Those that a composer saw showing a change late within the last hour.

    `store` is given what this process saw, by `hsa_key`, so that the others know it from the
    register, and this one after a start; it raises `Unavailable`.
    """

    def __init__(self, store: Callable[[Mapping[str, datetime]], None], clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen: dict[str, datetime] = {}  # the last time, by hsa_key
        self._unstored: set[str] = set()
        self._guard = Lock()

    def add(self, source_system: str) -> None:
        key = hsa_key(source_system)
        with self._guard:
            self._seen[key] = self._clock()
            self._unstored.add(key)

    def lags(self, source_system: str, known: ActivatedSource | None) -> bool:
        """`known`: the system in the register; None when it is not there."""
        times = self._seen.get(hsa_key(source_system)), known and known.lagged_at
        return any(seen and self._clock() < seen + _REMEMBERED for seen in times)

    def report(self) -> Mapping[str, Any]:
        """Store what was seen since the last call, outside the handling of messages.

        Raises `Unavailable`; what was not stored is stored the next time.
        """
        with self._guard:
            unstored, self._unstored = self._unstored, set()
            seen = {key: self._seen[key] for key in unstored}
        try:
            if seen:
                self._store(seen)
        except BaseException:
            with self._guard:
                self._unstored |= unstored
            raise
        return {}
