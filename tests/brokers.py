"""What tests of the brokers share: opening one with short times, and a reader that collects."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from shared.relay import open_broker
from shared.relay.broker import Broker, Consumer, Delivery, Envelope, Outgoing
from shared.relay.embedded.broker import EmbeddedBroker
from shared.relay.topology import Topology, seconds
from tests.polling import eventually

#: Short enough to wait for.
FAST = Topology(delay_steps=seconds(0.2, 1), retry_delays=seconds(0.2))
#: In place of a broken connection: how soon the embedded broker misses a killed consumer.
LEASE = timedelta(seconds=1)


def broker_at(url: str, topology: Topology = FAST) -> Broker:
    """As `open_broker`, but the embedded one misses a killed consumer within a second."""
    if url.startswith("sqlite:"):
        return EmbeddedBroker(url, topology, lease=LEASE)
    return open_broker(url, topology)


@contextmanager
def opened(url: str) -> Iterator[Broker]:
    broker = broker_at(url)
    try:
        yield broker
    finally:
        broker.close()


def message(name: str, key: str = "filter", *, delay: float | None = None) -> Outgoing:
    wait = None if delay is None else timedelta(seconds=delay)
    return Outgoing(key, Envelope(name, f"body of {name}".encode()), wait)


def dead(name: str, key: str = "filter.dead", *, reason: str = "tested") -> Outgoing:
    return Outgoing(key, Envelope(name, b"", attempt=3, dead_reason=reason, origin="filter"))


class Reader:
    """Collects what a consumer is handed; acknowledges at once if told how."""

    def __init__(
        self,
        broker: Broker,
        stage: str = "filter",
        *,
        prefetch: int = 10,
        answer: Callable[[Delivery], list[Outgoing]] | None = None,
    ) -> None:
        self.deliveries: list[Delivery] = []
        self._answer = answer
        self._started = threading.Event()
        self.consumer: Consumer = broker.consume(stage, self._take, prefetch=prefetch)
        self._started.set()

    def _take(self, delivery: Delivery) -> None:
        self._started.wait()
        self.deliveries.append(delivery)
        if self._answer is not None:
            self.consumer.acknowledge(delivery, self._answer(delivery))

    @property
    def names(self) -> list[str]:
        return [delivery.envelope.message_id for delivery in self.deliveries]

    def wait_for(self, count: int, *, timeout: float = 15) -> list[Delivery]:
        """The first `count` deliveries, once there are so many."""
        eventually(lambda: len(self.deliveries) >= count, timeout=timeout)
        return self.deliveries[:count]

    def next_one(self) -> Delivery:
        return self.wait_for(1)[0]


def ready_count(broker: Broker, stage: str = "filter") -> int:
    return next(state.ready for state in broker.states() if state.stage == stage)


def dead_count(broker: Broker, stage: str = "filter") -> int:
    return next(state.dead for state in broker.states() if state.stage == stage)
