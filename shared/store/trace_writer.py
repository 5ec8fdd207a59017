"""Writes trace steps in batches, in a thread of its own: no message waits for them or fails."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from threading import Event, Thread
from typing import Generic, TypeVar

import structlog
from prometheus_client import Counter

from shared.base.errors import Unavailable
from shared.store.traces import TraceStep

log = structlog.get_logger()

LOST = Counter(
    "budkavle_trace_lost_total",
    "Handled messages of which no trace was kept: the database was unavailable or too slow.",
    ["stage"],
)

#: How many messages may wait; what comes beyond is counted, and lost to the trace.
_CAPACITY = 10_000
_EVERY_SECONDS = 1.0
#: How many messages' steps go into one transaction.
_BATCH = 500
_STOP_SECONDS = 5.0

T = TypeVar("T")


class TraceWriter(Generic[T]):
    """`steps_of` says what is written of one item; it runs in the writer's thread.

    While the database is unavailable items wait, up to `capacity` of them.
    """

    def __init__(
        self,
        stage: str,
        write: Callable[[Sequence[TraceStep]], None],
        steps_of: Callable[[T], Iterable[TraceStep]],
        *,
        capacity: int = _CAPACITY,
        every: float = _EVERY_SECONDS,
    ) -> None:
        self._write = write
        self._steps_of = steps_of
        self._capacity = capacity
        self._every = every
        self._lost = LOST.labels(stage)
        self._items: deque[T] = deque()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="trace", daemon=True)

    def put(self, item: T) -> None:
        """Returns at once, whatever the database does."""
        if len(self._items) >= self._capacity:
            self._lost.inc()
        else:
            self._items.append(item)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, once, and within a few seconds."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.wait(self._every):
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        while batch := [*_first(self._items, _BATCH)]:
            try:
                self._write([step for item in batch for step in self._steps_of(item)])
            except Unavailable:
                return
            except Exception:
                log.exception("trace_failed")
                self._lost.inc(len(batch))
            for _ in batch:
                self._items.popleft()


def _first(items: "deque[T]", most: int) -> Iterable[T]:
    """Only the writer takes items out, and others append behind: these stay where they are."""
    return (items[place] for place in range(min(most, len(items))))
