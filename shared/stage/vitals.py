"""The rates of a process in the last minute, from its own counters."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from shared.base.metrics import OUTCOMES

#: Outcomes that count as faults; `fault` and `refuse` are ingest's.
_FAULTS = {"retry", "dead", "fault", "refuse"}
_NO_WORK = {"ping"}
_WINDOW_SECONDS = 60.0


class _Sample(NamedTuple):
    at: float
    handled: int
    faults: int
    oldest: float | None


class Vitals:
    """Rates of one stage's process. Used by one thread.

    `take_oldest` returns the age of the oldest message handled since its last call, in seconds.
    """

    def __init__(self, stage: str, take_oldest: Callable[[], float | None]) -> None:
        self._stage = stage
        self._take_oldest = take_oldest
        self._samples: deque[_Sample] = deque([self._sample()])

    def last_minute(self) -> dict[str, Any]:
        """Messages `handled` in `seconds` (up to 60), `faults` among them, age of the `oldest`."""
        now = self._sample()
        self._samples.append(now)
        while len(self._samples) > 1 and self._samples[1].at <= now.at - _WINDOW_SECONDS:
            self._samples.popleft()
        then = self._samples[0]
        return {
            "handled": now.handled - then.handled,
            "faults": now.faults - then.faults,
            "seconds": round(now.at - then.at, 1),
            "oldest": max((each.oldest for each in self._samples if each.oldest), default=None),
        }

    def _sample(self) -> _Sample:
        handled = faults = 0
        for family in OUTCOMES.collect():
            for sample in family.samples:
                if not self._counts(sample):
                    continue
                handled += int(sample.value)
                faults += int(sample.value) if sample.labels["outcome"] in _FAULTS else 0
        return _Sample(time.monotonic(), handled, faults, self._take_oldest())

    def _counts(self, sample: Any) -> bool:
        return (
            sample.name.endswith("_total")
            and sample.labels["stage"] == self._stage
            and sample.labels["outcome"] not in _NO_WORK
            and sample.labels["reason"] != "not_yet"  # on its way through a longer wait
        )
