"""RabbitMQ as the relay's broker. pika is used in this room and nowhere else.

```
RabbitMQBroker ── publish ──► Publisher ─┐
       └───────── consume ──► RabbitMQConsumer ─► Link: a thread, a connection, kept up
                                                    └► Session: a channel, its confirms
       └──── states, dead letters ──► a blocking connection for as long as it takes
```
"""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from shared.relay.broker import (
    BrokerError,
    DeadAction,
    Delivery,
    Envelope,
    Outgoing,
    QueueState,
)
from shared.relay.dead_queue import HOLD_WITHIN, read_all, take_each
from shared.relay.rabbitmq.consumer import RabbitMQConsumer
from shared.relay.rabbitmq.dead_queue import RabbitMQDeadQueue
from shared.relay.rabbitmq.link import Link
from shared.relay.rabbitmq.nodes import Nodes
from shared.relay.rabbitmq.operator_lock import RabbitMQOperatorLock
from shared.relay.rabbitmq.publisher import Publisher
from shared.relay.rabbitmq.topology import declare_on, queues
from shared.relay.rabbitmq.wire import translated
from shared.relay.topology import (
    READING_STAGES,
    Place,
    Topology,
    delay_name,
    place_queue,
    work_queue,
)

_NOT_FOUND = 404
#: How long readiness waits for the first connection, and an operator's command for a broker that
#: takes nothing in (seconds).
_READY_SECONDS = 1.0
_BLOCKED_SECONDS = 10.0
_NOT_FOUND = 404  # AMQP's reply code
#: Ingest holds requests while its broker is away, so the publisher's connection is tried often.
_LONGEST_PUBLISHER_WAIT = 1.0


class RabbitMQBroker:
    """`amqp://user:password@host:port/vhost`, or `amqps://`. Connects on first use.

    Of a cluster, several hosts: `amqp://user:password@n1:5671,n2,n3/vhost`.
    """

    def __init__(self, url: str, topology: Topology, *, management_url: str = "") -> None:
        self._url = url
        self._management_url = management_url
        self._topology = topology
        self._guard = threading.Lock()
        self._shared_publisher: Publisher | None = None
        self._consumers: list[RabbitMQConsumer] = []
        Nodes(url, "budkavle")  # a URL that cannot be read is reported at once

    def declare(self) -> None:
        with self._blocking_channel() as channel:
            declare_on(channel, self._topology)

    def missing(self) -> list[str]:
        names = [queue.name for queue in queues(self._topology)]
        with self._blocking_connection() as connection:
            return [name for name in names if _depth_if_there(connection, name) is None]

    def publish(self, messages: Sequence[Outgoing], *, timeout: float = 10) -> None:
        if messages:
            self._publisher().publish(messages, timeout=timeout)

    def begin_publish(
        self, messages: Sequence[Outgoing], answered: Callable[[BrokerError | None], None]
    ) -> Callable[[], None]:
        return self._publisher().begin(messages, answered)

    def consume(
        self, stage: str, deliver: Callable[[Delivery], None], *, prefetch: int
    ) -> RabbitMQConsumer:
        consumer = RabbitMQConsumer(
            Nodes(self._url, f"budkavle {stage}"),
            self._topology,
            stage,
            deliver,
            prefetch=prefetch,
        )
        self._consumers.append(consumer)
        return consumer

    def ready(self) -> bool:
        return self._publisher().ready(_READY_SECONDS)

    def states(self) -> list[QueueState]:
        with self._blocking_connection() as connection:
            in_delays = sum(filter(None, self._waiting(connection).values()))
            channel = connection.channel()
            states = [_state(channel, stage, in_delays) for stage in READING_STAGES]
        if not self._management_url:
            return states
        from shared.relay.rabbitmq.management import unacknowledged  # libcurl: no stage needs it

        held = unacknowledged(self._management_url, self._url)
        return [
            replace(state, unacknowledged=held.get(work_queue(state.stage))) for state in states
        ]

    def delays(self) -> dict[timedelta, int | None]:
        with self._blocking_connection() as connection:
            return self._waiting(connection)

    def dead_letters(
        self, stage: str, place: Place = Place.DEAD, *, by: str = "", within: float | None = None
    ) -> Generator[Envelope, None, None]:
        """What is looked at is held unacknowledged, under the stage's lock, and goes back."""
        with self.hold_dead(stage, place, by=by, doing="looking", within=within) as queue:
            for letter in read_all(queue):
                yield letter.envelope

    @contextmanager
    def hold_dead(
        self,
        stage: str,
        place: Place = Place.DEAD,
        *,
        by: str,
        doing: str,
        within: float | None = None,
    ) -> Iterator[RabbitMQDeadQueue]:
        with self._blocking_connection() as connection:
            lock = RabbitMQOperatorLock(
                connection,
                stage,
                by=by,
                doing=doing,
                within=HOLD_WITHIN if within is None else within,
            )
            queue = RabbitMQDeadQueue(connection, lock, stage, place, self.publish)
            try:
                yield queue
            finally:
                if connection.is_open:
                    queue.put_back()

    def take_dead(
        self, stage: str, decide: Callable[[Envelope], DeadAction], *, limit: int | None = None
    ) -> int:
        with self.hold_dead(stage, by="", doing="replaying or discarding") as queue:
            return take_each(queue, stage, decide, limit)

    def close(self) -> None:
        for consumer in self._consumers:
            consumer.close()
        with self._guard:
            if self._shared_publisher is not None:
                self._shared_publisher.close()
                self._shared_publisher = None

    def _publisher(self) -> Publisher:
        with self._guard:
            if self._shared_publisher is None:
                link = Link(
                    Nodes(self._url, "budkavle publisher"),
                    self._topology,
                    longest_wait=_LONGEST_PUBLISHER_WAIT,
                )
                self._shared_publisher = Publisher(link)
            return self._shared_publisher

    def _waiting(self, connection: pika.BlockingConnection) -> dict[timedelta, int | None]:
        steps = sorted(self._topology.delay_steps)
        return {step: _depth_if_there(connection, delay_name(step)) for step in steps}

    @contextmanager
    def _blocking_channel(self) -> Iterator[BlockingChannel]:
        with self._blocking_connection() as connection:
            yield connection.channel()

    @contextmanager
    def _blocking_connection(self) -> Iterator[pika.BlockingConnection]:
        """A connection for one command; what it did not acknowledge goes back to its queue."""
        nodes = Nodes(self._url, "budkavle operator").all()
        for node in nodes:
            node.blocked_connection_timeout = _BLOCKED_SECONDS
        with translated():
            connection = pika.BlockingConnection(nodes)
            try:
                yield connection
            finally:
                if connection.is_open:
                    connection.close()


def _depth_if_there(connection: pika.BlockingConnection, queue: str) -> int | None:
    """On a channel of its own: the broker closes it when there is no such queue."""
    try:
        with connection.channel() as channel:
            return _depth(channel, queue)[0]
    except ChannelClosedByBroker as error:
        if error.reply_code != _NOT_FOUND:
            raise
        return None


def _depth(channel: BlockingChannel, queue: str) -> tuple[int, int]:
    """How many messages are ready, and how many consumers there are."""
    found = channel.queue_declare(queue, passive=True).method
    return found.message_count, found.consumer_count


def _state(channel: BlockingChannel, stage: str, in_delays: int) -> QueueState:
    """AMQP shows neither unacknowledged messages nor the stages within a delay queue."""
    ready, consumers = _depth(channel, work_queue(stage))
    dead, parked, discarded = (
        _depth(channel, place_queue(stage, place))[0]
        for place in (Place.DEAD, Place.PARKED, Place.DISCARDED)
    )
    return QueueState(
        stage,
        ready=ready,
        unacknowledged=None,
        delayed=None,
        dead=dead,
        consumers=consumers,
        parked=parked,
        discarded=discarded,
        delayed_total=in_delays,
    )
