"""Counts the calls to each booking system, in flight and per second, for tests of limits."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.booking.identity import hsa_key

#: Calls kept of each address; older ones are forgotten, so that a long run stays bounded.
_KEPT_TIMES = 50_000


@dataclass
class Tally:
    """The calls of one address."""

    calls: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT_TIMES))


class Calls:
    """Counts by logical address, in any case of the HSA-id."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._tallies: dict[str, Tally] = {}

    def begin(self, logical_address: str) -> Tally:
        """Count a call. Pass the result to `end` when the call is answered."""
        tally = self._tallies.setdefault(hsa_key(logical_address), Tally())
        tally.calls += 1
        tally.in_flight += 1
        tally.max_in_flight = max(tally.max_in_flight, tally.in_flight)
        tally.times.append(self._clock())
        return tally

    @staticmethod
    def end(tally: Tally) -> None:
        """The reply is ready. One that drips no longer counts as in flight."""
        tally.in_flight -= 1

    def listing(self, *, with_times: bool) -> dict[str, dict[str, object]]:
        return {
            address: {
                "calls": tally.calls,
                "in_flight": tally.in_flight,
                "max_in_flight": tally.max_in_flight,
                "max_per_second": busiest_second(tally.times),
                **({"times": list(tally.times)} if with_times else {}),
            }
            for address, tally in self._tallies.items()
        }

    def clear(self) -> None:
        """Forget all calls, also those that are still in flight."""
        self._tallies.clear()


def busiest_second(times: deque[float]) -> int:
    """The largest number of `times` (seconds, rising) within one second."""
    within: deque[float] = deque()
    most = 0
    for moment in times:
        within.append(moment)
        while moment - within[0] >= 1:
            within.popleft()
        most = max(most, len(within))
    return most
