"""The rate a relay sustains, apart from the delays that it makes by design.

The notifier holds each notice for some seconds (BUDKAVLE_NOTIFIER_COLLECT_SECONDS), so a lap that
ends with the last notice counts a fixed wait as if it were work. Here the load is as much as the
relay takes: sending pauses while more than some hundred messages wait in its queues
(`depths.Gate`). The rate is that of a window in which everything flows: from when the first
notices have been out for some seconds, to the last request. What of messages and notices is slower
there is the relay's rate.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shared.relay.topology import STAGES

#: A load shorter than twice this has no window of its own; its later half is taken.
WARM_SECONDS = 10.0


@dataclass(frozen=True)
class Moments:
    """Sorted seconds from the first request to each answer, inbox message and finished notice."""

    requests: Sequence[float]
    messages: Sequence[float]
    notices: Sequence[float]

    @property
    def window(self) -> tuple[float, float]:
        end = self.requests[-1]
        return min(WARM_SECONDS, end / 2), end

    @property
    def rates(self) -> Mapping[str, float]:
        """Messages and notices a second within the window."""
        return {
            "messages": rate_within(self.messages, *self.window),
            "notices": rate_within(self.notices, *self.window),
        }

    @property
    def tail_seconds(self) -> float:
        """From the last request to the last notice."""
        return max(self.notices[-1], self.messages[-1]) - self.requests[-1]

    def timeline(self) -> Mapping[str, Sequence[int]]:
        """How many of each in each second."""
        seconds = int(max(self.notices[-1], self.messages[-1], self.requests[-1])) + 1
        of = {"requests": self.requests, "messages": self.messages, "notices": self.notices}
        return {name: by_second(moments, seconds) for name, moments in of.items()}


@dataclass(frozen=True)
class Course:
    """One load from its first request to its last notice."""

    count: int
    moments: Moments
    cpu_ms: Mapping[str, float]  # per notification: each stage, sandbox, broker, database
    memory_mib: Mapping[str, float]  # one process of each stage, afterwards

    @property
    def per_second(self) -> float:
        """The sustained rate."""
        return min(self.moments.rates.values())

    @property
    def lap_per_second(self) -> float:
        """From the first request to the last notice, whatever waits are in it."""
        return self.count / max(self.moments.notices[-1], self.moments.messages[-1])

    @property
    def our_cpu_ms(self) -> float:
        return sum(self.cpu_ms[stage] for stage in STAGES)


def rate_within(moments: Sequence[float], begin: float, end: float) -> float:
    """How many a second of the sorted `moments` are after `begin` and not after `end`."""
    return (bisect_right(moments, end) - bisect_right(moments, begin)) / (end - begin)


def by_second(moments: Sequence[float], seconds: int) -> list[int]:
    """How many of the sorted `moments` are in each whole second from 0 on."""
    places = [bisect_left(moments, second) for second in range(seconds + 1)]
    return [after - before for before, after in pairwise(places)]
