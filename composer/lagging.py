"""Booking systems that lag: they tell the index of a change before their own store shows it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
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
        self._stored: dict[str, datetime] = {}  # likewise

    def add(self, source_system: str) -> None:
        self._seen[hsa_key(source_system)] = self._clock()

    def lags(self, source_system: str, known: ActivatedSource | None) -> bool:
        """`known`: the system in the register; None when it is not there."""
        times = self._seen.get(hsa_key(source_system)), known and known.lagged_at
        return any(seen and self._clock() < seen + _REMEMBERED for seen in times)

    def report(self) -> Mapping[str, Any]:
        """Store what was seen since the last call, outside the handling of messages.

        Raises `Unavailable`; what was not stored is stored the next time.
        """
        seen = self._seen.copy()
        new = {key: at for key, at in seen.items() if self._stored.get(key) != at}
        if new:
            self._store(new)
            self._stored = seen
        return {}
