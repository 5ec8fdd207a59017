"""Deliveries that wait for a few seconds in the worker's hands, unacknowledged.

A wait in a delay queue costs two further passages through the broker. One in hand costs none, and
is no less safe: until it is acknowledged the broker hands the message out again when this process
ends, however it ends.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from heapq import heappop, heappush
from threading import Condition, Thread

from shared.relay.broker import Delivery

#: A longer wait stands in a delay queue, where operators see it.
_LONGEST = timedelta(seconds=30)
#: What is due within one such moment is put back together, in seconds.
_MOMENT = 0.1


class HeldDeliveries:
    """`put_back` gets each delivery when its wait is over. No more than `most` are held.

    Thread-safe.
    """

    def __init__(
        self,
        put_back: Callable[[Delivery], None],
        most: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._put_back = put_back
        self._most = most
        self._monotonic = monotonic
        self._held: list[tuple[float, int, Delivery]] = []
        self._number = 0
        self._ended = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="held", daemon=True)

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, delivery: Delivery, wait: timedelta) -> bool:
        """Keep the delivery for that long; False, and nothing is kept, when it is too much."""
        with self._changed:
            if wait > _LONGEST or len(self._held) >= self._most or self._ended:
                return False
            due = self._monotonic() + wait.total_seconds()
            if not self._number:
                self._thread.start()
            self._number += 1
            heappush(self._held, (due, self._number, delivery))
            if self._held[0][1] == self._number:
                self._changed.notify()
            return True

    def stop(self) -> None:
        """Put nothing back any more: what is held is left to the broker."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _run(self) -> None:
        while due := self._wait_for_due():
            for delivery in due:
                self._put_back(delivery)

    def _wait_for_due(self) -> list[Delivery]:
        """Those whose wait is over, in the order of their times; none at the end."""
        with self._changed:
            while not self._ended:
                if due := self._due():
                    return due
                self._changed.wait(self._until_next())
        return []

    def _due(self) -> list[Delivery]:
        now = self._monotonic()
        due = []
        while self._held and self._held[0][0] <= now:
            due.append(heappop(self._held)[2])
        return due

    def _until_next(self) -> float | None:
        if not self._held:
            return None
        return max(self._held[0][0] - self._monotonic(), _MOMENT)
