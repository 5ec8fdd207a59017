"""How many messages wait in the relay's work queues, asked of RabbitMQ itself.

By the names of the queues alone, so that it works for other commits too.
"""

import time
from threading import Event, Thread
from typing import Self

import pika

from shared.relay.topology import READING_STAGES, work_queue

#: The most that waits in the work queues together while the relay is loaded as far as it goes:
#: enough for full batches at every stage, and gone within seconds.
MOST_WAITING = 400
_LOOK_EVERY_SECONDS = 0.05


class Depths:
    """A connection of its own. Not thread-safe."""

    def __init__(self, broker_url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(broker_url))
        self._channel = self._connection.channel()

    def of(self, stage: str) -> int:
        """The messages ready for `stage`; those that it has in hand are not counted."""
        answer = self._channel.queue_declare(work_queue(stage), passive=True)
        return int(answer.method.message_count)

    def all(self) -> int:
        return sum(map(self.of, READING_STAGES))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()


class Gate:
    """Closed while more than `MOST_WAITING` messages wait. Thread-safe."""

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url
        self._open = Event()
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def wait(self) -> None:
        self._open.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        try:
            with Depths(self._broker_url) as depths:
                while not self._over.is_set():
                    self._set(depths.all() < MOST_WAITING)
                    time.sleep(_LOOK_EVERY_SECONDS)
        finally:
            self._open.set()  # whoever waits goes on

    def _set(self, opened: bool) -> None:
        (self._open.set if opened else self._open.clear)()
