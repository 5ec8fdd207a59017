"""RabbitMQ as the relay's broker. pika is used in this room and nowhere else.

```
RabbitMQBroker ── publish ──► Publisher ─┐
       └───────── consume ──► RabbitMQConsumer ─► Link: a thread, a connection, kept up
                                                    └► Session: a channel, its confirms
       └──── states, dead letters ──► a blocking connection for as long as it takes
```
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import ChannelClosedByBroker

from shared.relay.broker import KEEP, REPLAY, DeadAction, Delivery, Envelope, Outgoing, QueueState
from shared.relay.rabbitmq.consumer import RabbitMQConsumer
from shared.relay.rabbitmq.link import Link
from shared.relay.rabbitmq.nodes import Nodes
from shared.relay.rabbitmq.publisher import Publisher
from shared.relay.rabbitmq.topology import declare_on, queues
from shared.relay.rabbitmq.wire import (
    dead_letter_of,
    properties_of,
    route_of,
    translated,
)
from shared.relay.topology import READING_STAGES, Topology, dead_queue, work_queue

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

    def __init__(self, url: str, topology: Topology) -> None:
        self._url = url
        self._topology = topology
        self._guard = threading.Lock()
        self._shared_publisher: Publisher | None = None
        self._consumers: list[RabbitMQConsumer] = []
        Nodes(url, "budkavle")  # a URL that cannot be read is reported at once

    def declare(self) -> None:
        with self._blocking_channel() as channel:
            declare_on(channel, self._topology)

    def missing(self) -> list[str]:
        with self._blocking_channel() as channel:
            names = [queue.name for queue in queues(self._topology)]
            return [name for name in names if not _is_there(channel.connection, name)]

    def publish(self, messages: Sequence[Outgoing], *, timeout: float = 10) -> None:
        if messages:
            self._publisher().publish(messages, timeout=timeout)

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
        with self._blocking_channel() as channel:
            return [_state(channel, stage) for stage in READING_STAGES]

    def dead_letters(self, stage: str) -> Iterator[Envelope]:
        """What is looked at is held unacknowledged, and goes back with the connection."""
        with self._blocking_channel() as channel:
            for _tag, letter in _letters(channel, stage):
                yield letter

    def take_dead(
        self, stage: str, decide: Callable[[Envelope], DeadAction], *, limit: int | None = None
    ) -> int:
        taken = 0
        with self._blocking_channel() as channel:
            channel.confirm_delivery()
            for tag, letter in _letters(channel, stage):
                if taken == limit:
                    break
                action = decide(letter)
                if action == REPLAY:
                    _publish(channel, Outgoing(stage, letter.replayed()))
                if action != KEEP:
                    channel.basic_ack(tag)
                    taken += 1
        return taken

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

    @contextmanager
    def _blocking_channel(self) -> Iterator[BlockingChannel]:
        """A connection for one command; what it did not acknowledge goes back to its queue."""
        nodes = Nodes(self._url, "budkavle operator").all()
        for node in nodes:
            node.blocked_connection_timeout = _BLOCKED_SECONDS
        with translated():
            connection = pika.BlockingConnection(nodes)
            try:
                yield connection.channel()
            finally:
                if connection.is_open:
                    connection.close()


def _is_there(connection: BlockingConnection, queue: str) -> bool:
    """Asked on a channel of its own, which the broker closes when it is not."""
    channel = connection.channel()
    try:
        channel.queue_declare(queue, passive=True)
    except ChannelClosedByBroker as error:
        if error.reply_code == _NOT_FOUND:
            return False
        raise
    channel.close()
    return True


def _letters(channel: BlockingChannel, stage: str) -> Iterator[tuple[int, Envelope]]:
    """The letters that lie in the dead queue now, oldest first, none of them twice."""
    queue = dead_queue(stage)
    for _ in range(_depth(channel, queue)[0]):
        method, properties, body = channel.basic_get(queue)
        if method is None or properties is None or body is None:
            return  # another operator was quicker
        yield method.delivery_tag, dead_letter_of(properties, body, stage)


def _publish(channel: BlockingChannel, message: Outgoing) -> None:
    exchange, key = route_of(message)
    envelope = message.envelope
    channel.basic_publish(exchange, key, envelope.body, properties_of(envelope), mandatory=True)


def _depth(channel: BlockingChannel, queue: str) -> tuple[int, int]:
    """How many messages are ready, and how many consumers there are."""
    found = channel.queue_declare(queue, passive=True).method
    return found.message_count, found.consumer_count


def _state(channel: BlockingChannel, stage: str) -> QueueState:
    """AMQP shows neither unacknowledged messages nor the stages within a delay queue."""
    ready, consumers = _depth(channel, work_queue(stage))
    dead, _ = _depth(channel, dead_queue(stage))
    return QueueState(
        stage, ready=ready, unacknowledged=None, delayed=None, dead=dead, consumers=consumers
    )
