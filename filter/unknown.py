"""Counts booking systems that send and are not activated, and stores the counts for operators."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from filter.metrics import not_activated
from shared.base.clock import Clock
from shared.booking.environment import Environment


class UnknownSources(Protocol):
    """As `shared.store.unknown_sources.UnknownSources`."""

    def add(self, counts: Mapping[str, int], environment: Environment, at: Any) -> None: ...


class UnknownReport:
    """Stores what was counted since the last call, outside the handling of messages.

    Raises `Unavailable`; what was not stored is stored the next time.
    """

    def __init__(
        self,
        store: UnknownSources,
        environment: Environment,
        clock: Clock,
        count: Callable[[], Mapping[str, int]] = not_activated,
    ) -> None:
        self._store = store
        self._environment = environment
        self._clock = clock
        self._count = count
        self._stored: Mapping[str, int] = {}

    def __call__(self) -> Mapping[str, Any]:
        counted = self._count()
        new = {key: number - self._stored.get(key, 0) for key, number in counted.items()}
        rising = {key: number for key, number in new.items() if number > 0}
        if rising:
            self._store.add(rising, self._environment, self._clock())
            self._stored = counted
        return {}
