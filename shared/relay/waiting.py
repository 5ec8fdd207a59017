"""Deliveries that wait for a thread, taken one by one or in batches."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Lock, Semaphore

from shared.relay.broker import Delivery


class Waiting:
    """`most`: of a batch. `linger`: a batch waits for further deliveries until so many seconds
    after the former one was taken, so what comes after a quiet moment does not wait. `in_work`: how
    many may be taken and not yet `handled`, of all threads together. Thread-safe.
    """

    def __init__(
        self,
        most: int,
        linger: float,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        in_work: int = sys.maxsize,
    ) -> None:
        # Two batches find room: while one waits for its last answers, the next one goes on.
        self._most = max(2, min(most, in_work * 2 // 3)) if most > 1 else 1
        self._linger = linger
        self._monotonic = monotonic
        self._deliveries: SimpleQueue[Delivery | None] = SimpleQueue()
        self._gathering = Lock()
        self._places = Semaphore(in_work)
        self._enough = Event()
        self._ended = False
        self._taken_at = monotonic()

    def put(self, delivery: Delivery) -> None:
        self._deliveries.put(delivery)
        if self._fills_a_batch and not self._enough.is_set():
            self._enough.set()

    def end(self) -> None:
        """One thread that takes finds nothing more. Call it for each thread."""
        self._ended = True
        self._deliveries.put(None)
        self._enough.set()

    def take(self) -> list[Delivery]:
        """What waits, at most a batch; nothing at the end.

        One thread gathers a batch at a time: several would share what comes, one message each.
        """
        if self._most == 1:
            return [first] if (first := self._deliveries.get()) else []
        with self._gathering:
            first = self._deliveries.get()
            if first is None:
                return []
            self._places.acquire()
            self._wait_for_more()
            batch = [first, *self._at_hand()]
            self._taken_at = self._monotonic()
            return batch

    def handled(self, deliveries: Sequence[Delivery]) -> None:
        """Others may be taken in place of these."""
        if self._most > 1:
            self._places.release(len(deliveries))

    @property
    def _fills_a_batch(self) -> bool:
        """Whether what waits does, with the delivery that a thread has taken already."""
        return self._deliveries.qsize() >= self._most - 1

    def _wait_for_more(self) -> None:
        """Without taking what comes: each delivery would wake this thread."""
        left = self._taken_at + self._linger - self._monotonic()
        if left <= 0:
            return
        self._enough.clear()
        if not self._ended and not self._fills_a_batch:
            self._enough.wait(left)

    def _at_hand(self) -> Iterator[Delivery]:
        for _ in range(self._most - 1):
            if not self._places.acquire(blocking=False):
                return
            delivery = self._next()
            if delivery is None:
                self._places.release()
                return
            yield delivery

    def _next(self) -> Delivery | None:
        """None when there is nothing, or the end, which another thread has to see."""
        try:
            delivery = self._deliveries.get_nowait()
        except Empty:
            return None
        if delivery is None:
            self._deliveries.put(None)
        return delivery
