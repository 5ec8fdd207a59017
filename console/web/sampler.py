"""What the relay looks like now and in the last hour, read once for all pages that show it."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Lock, Thread

import structlog

from console.state import Findings, StageState, stages_of
from shared.base.clock import utcnow

log = structlog.get_logger()

#: While somebody looks, the relay is asked as often as this, however many look.
FRESH = timedelta(seconds=2)
#: How often it is asked when nobody looks, and how far apart the points of the last hour are.
EVERY = timedelta(seconds=15)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was read. `number` counts samples."""

    number: int
    found: Findings
    stages: Sequence[StageState]


@dataclass(frozen=True, slots=True)
class Point:
    """One stage at one moment: messages a second, how many wait, how many are dead."""

    at: datetime
    rate: float
    waiting: int
    dead: int


class Sampler:
    """Thread-safe. `read` is called by one thread at a time."""

    def __init__(self, read: Callable[[], Findings]) -> None:
        self._read = read
        self._lock = Lock()
        self._latest: Sample | None = None
        self._history: dict[str, deque[Point]] = {}
        self._stopping = Event()
        self._thread = Thread(target=self._keep_sampling, name="sampler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def current(self, now: datetime) -> Sample:
        """The latest sample, taken anew when it is older than `FRESH`."""
        with self._lock:
            latest = self._latest
            if latest is None or not timedelta(0) <= now - latest.found.now < FRESH:
                latest = self._latest = self._sample((latest.number if latest else 0) + 1)
            return latest

    def history(self, stage: str) -> list[Point]:
        """The last hour of one stage, as far as it was seen; the newest last."""
        with self._lock:
            return [*self._history.get(stage, ())]

    def _sample(self, number: int) -> Sample:
        found = self._read()
        sample = Sample(number, found, stages_of(found))
        for state in sample.stages:
            self._remember(found.now, state)
        return sample

    def _remember(self, now: datetime, state: StageState) -> None:
        points = self._history.setdefault(state.stage, deque())
        if points and now - points[-1].at < EVERY:
            return
        points.append(Point(now, rate_of(state), state.waiting or 0, state.dead or 0))
        while points[0].at < now - _HOUR:
            points.popleft()

    def _keep_sampling(self) -> None:
        while not self._stopping.is_set():
            try:
                self.current(utcnow())
            except Exception:
                log.exception("sample_failed")
            self._stopping.wait(EVERY.total_seconds())


def rate_of(state: StageState) -> float:
    """Messages a second, the mean of the last minute."""
    return state.handled / 60
