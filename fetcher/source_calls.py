"""How the calls to each booking system went in the last minutes, for people who look."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock
from typing import NamedTuple

WINDOW_SECONDS = 300.0
#: So many calls to each system are remembered; of more, the latest.
_MOST = 1000
#: What a call counts as when it brought an answer that can be used.
ANSWERED = "answered"


class _Call(NamedTuple):
    at: float
    seconds: float
    answered: bool


class SourceCalls:
    """Of one fetcher process. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._calls: dict[str, deque[_Call]] = {}

    def add(self, source: str, result: str, seconds: float) -> None:
        with self._lock:
            calls = self._calls.setdefault(source, deque(maxlen=_MOST))
            calls.append(_Call(self._clock(), seconds, result == ANSWERED))

    def lately(self) -> dict[str, dict[str, float]]:
        """By HSA-id: calls a minute, share of them that failed, 95th percentile in seconds."""
        since = self._clock() - WINDOW_SECONDS
        with self._lock:
            for calls in self._calls.values():
                while calls and calls[0].at < since:
                    calls.popleft()
            known = {source: [*calls] for source, calls in self._calls.items() if calls}
        return {source: self._summary(calls) for source, calls in known.items()}

    def _summary(self, calls: list[_Call]) -> dict[str, float]:
        is_full = len(calls) == _MOST
        span = self._clock() - calls[0].at if is_full else WINDOW_SECONDS
        return {
            "per_minute": round(len(calls) * 60 / max(span, 1), 2),
            "failing": round(sum(not call.answered for call in calls) / len(calls), 4),
            "p95": round(_p95(call.seconds for call in calls), 3),
        }


def _p95(seconds: Iterable[float]) -> float:
    """The nearest rank."""
    in_order = sorted(seconds)
    return in_order[int(0.95 * (len(in_order) - 1) + 0.5)]
