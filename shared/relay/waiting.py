"""Deliveries that wait for a thread, taken one by one or in batches."""

import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from threading import Lock

from shared.relay.broker import Delivery


class Waiting:
    """`most`: of a batch. `linger`: a batch waits for further deliveries until so many seconds
    after the former one was taken, so what comes after a quiet moment does not wait. Thread-safe.
    """

    def __init__(
        self, most: int, linger: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._linger = linger
        self._monotonic = monotonic
        self._deliveries: SimpleQueue[Delivery | None] = SimpleQueue()
        self._gathering = Lock()
        self._taken_at = monotonic()

    def put(self, delivery: Delivery) -> None:
        self._deliveries.put(delivery)

    def end(self) -> None:
        """One thread that takes finds nothing more. Call it for each thread."""
        self._deliveries.put(None)

    def take(self) -> list[Delivery]:
        """What waits, at most a batch; nothing at the end.

        One thread gathers a batch at a time: several would share what comes, one message each.
        """
        if self._most == 1:
            return [first] if (first := self._deliveries.get()) else []
        with self._gathering:
            first = self._deliveries.get()
            batch = [first, *self._more_at_hand()] if first else []
            self._taken_at = self._monotonic()
            return batch

    def _more_at_hand(self) -> Iterator[Delivery]:
        deadline = self._taken_at + self._linger
        for _ in range(self._most - 1):
            left = deadline - self._monotonic() if self._linger else 0
            try:
                delivery = self._deliveries.get(left > 0, max(0, left))
            except Empty:
                return
            if delivery is None:  # the end, which another thread may have to see
                self._deliveries.put(None)
                return
            yield delivery
