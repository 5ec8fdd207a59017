"""One contender in a process of its own: `python -m tests.benchmark.hop.contender NAME URL COUNT`.

Fills the queue, does the hops, and prints one JSON line with how long they took.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from importlib import import_module
from itertools import count
from threading import Event
from typing import Protocol

import pika
from pika.adapters.blocking_connection import BlockingChannel

from tests.polling import eventually

QUORUM = {"x-queue-type": "quorum"}

#: How many messages the broker hands out ahead, to everyone who lets it be set.
PREFETCH = 200

#: By the names of `build/bench.json`.
CONTENDERS = {
    "budkavle": "budkavle_runner",
    "pika": "bare_pika",
    "aio_pika": "aio_pika_consumer",
    "faststream": "faststream_app",
    "dramatiq": "dramatiq_worker",
    "celery": "celery_worker",
}


@dataclass(frozen=True)
class Seed:
    """A message as it lies in the queue before the hop."""

    body: bytes
    properties: pika.BasicProperties = field(default_factory=pika.BasicProperties)


@dataclass(frozen=True)
class Lap:
    """How long all hops took, from the first message handed out to the end of the last hop."""

    count: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        return self.count / self.seconds

    @property
    def cpu_us(self) -> float:
        """Processor time of one hop, in microseconds."""
        return self.cpu_seconds / self.count * 1e6


class Meter:
    """Told of every message handed out and of every hop done. Thread-safe."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._handed_out = count(1)
        self._done = count(1)
        self._started = self._ended = (0.0, 0.0)
        self.all_done = Event()

    def handed_out(self) -> None:
        if next(self._handed_out) == 1:
            self._started = _now()

    def one_done(self) -> None:
        if next(self._done) == self._wanted:
            self.end()

    def end(self) -> None:
        self._ended = _now()
        self.all_done.set()

    def lap(self) -> Lap:
        seconds, cpu = (end - start for start, end in zip(self._started, self._ended, strict=True))
        return Lap(self._wanted, seconds, cpu)


class Contender(Protocol):
    """What each module of a contender holds."""

    SOURCE: str
    TARGET: str

    def declare(self, channel: BlockingChannel) -> None:
        """Make both queues."""

    def seeds(self, count: int) -> Iterator[Seed]: ...

    def hop(self, url: str, meter: Meter) -> None:
        """Do the hops; return when all of them are done and acknowledged."""


def declare_quorum(channel: BlockingChannel, *queues: str) -> None:
    for queue in queues:
        channel.queue_declare(queue, durable=True, arguments=QUORUM)


def run(name: str, url: str, wanted: int) -> Lap:
    """Raises AssertionError when not every message is where it belongs afterwards."""
    contender: Contender = import_module(f"tests.benchmark.hop.{CONTENDERS[name]}")
    with_channel(url, lambda channel: _fill(channel, contender, wanted))
    meter = Meter(wanted)
    contender.hop(url, meter)
    with_channel(url, lambda channel: _check(channel, contender, wanted))
    return meter.lap()


def with_channel(url: str, work: Callable[[BlockingChannel], None]) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        work(connection.channel())
    finally:
        connection.close()


def depth(channel: BlockingChannel, queue: str) -> int:
    return int(channel.queue_declare(queue, passive=True).method.message_count)


def _fill(channel: BlockingChannel, contender: Contender, wanted: int) -> None:
    contender.declare(channel)
    for seed in contender.seeds(wanted):
        seed.properties.delivery_mode = pika.DeliveryMode.Persistent.value
        channel.basic_publish("", contender.SOURCE, seed.body, seed.properties)
    eventually(lambda: depth(channel, contender.SOURCE) == wanted, timeout=60)


def _check(channel: BlockingChannel, contender: Contender, wanted: int) -> None:
    """What was not acknowledged went back to its queue when the contender left."""

    def all_passed_on() -> bool:
        left, there = depth(channel, contender.SOURCE), depth(channel, contender.TARGET)
        assert (left, there) == (0, wanted), f"{left} are left, {there} of {wanted} are there"
        return True

    eventually(all_passed_on)


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(run(sys.argv[1], sys.argv[2], int(sys.argv[3])))) + "\n")
