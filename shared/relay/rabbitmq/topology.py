"""What stands in RabbitMQ, as data, and how it gets there.

Every queue is a quorum queue whose arguments make a bare broker safe: dead-lettering is
at-least-once (which wants `reject-publish`), and the delivery limit is a positive number, since −1
means opposite things in 3.x and 4.x. Nothing here is among what RabbitMQ 4 removed or denies; a
test holds it to that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.relay.topology import (
    DELIVERY_LIMIT,
    EXCHANGE,
    READING_STAGES,
    Topology,
    dead_key,
    dead_queue,
    delay_name,
    work_queue,
)

Arguments = dict[str, str | int]

#: A dead letter is handed out and put back each time somebody looks at it. RabbitMQ 4 would throw
#: it away after 20 looks (its default), so here the limit is one that is never reached.
_ENDLESS_LOOKS = 1_000_000_000

_QUORUM: Arguments = {"x-queue-type": "quorum"}
_TO_OUR_EXCHANGE: Arguments = {
    "x-dead-letter-exchange": EXCHANGE,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue, and how messages get into it."""

    name: str
    arguments: Arguments
    exchange: str
    routing_key: str


def exchanges(topology: Topology) -> Iterator[tuple[str, str]]:
    """Name and type of each exchange; all of them durable."""
    yield EXCHANGE, "direct"
    for step in topology.delay_steps:
        yield delay_name(step), "fanout"


def queues(topology: Topology) -> Iterator[Queue]:
    for stage in READING_STAGES:
        yield _dead(stage)
        yield _work(stage)
    yield from map(_delay, topology.delay_steps)


def declare_on(channel: Any, topology: Topology) -> None:
    """Create all of it on a channel of pika's, blocking or not. Harmless when it is there."""
    for name, kind in exchanges(topology):
        channel.exchange_declare(name, exchange_type=kind, durable=True)
    for queue in queues(topology):
        channel.queue_declare(queue.name, durable=True, arguments=queue.arguments)
        channel.queue_bind(queue.name, queue.exchange, routing_key=queue.routing_key)


def look_for(channel: Any, topology: Topology) -> None:
    """Ask for all of it and create nothing; the broker closes the channel if something is missing.

    A node answers this by itself. To declare, even what is there, it needs the others of its
    cluster, and waits a minute for one that is frozen.
    """
    for name, kind in exchanges(topology):
        channel.exchange_declare(name, exchange_type=kind, passive=True)
    for queue in queues(topology):
        channel.queue_declare(queue.name, passive=True)


def _work(stage: str) -> Queue:
    arguments: Arguments = {
        **_QUORUM,
        **_TO_OUR_EXCHANGE,
        "x-dead-letter-routing-key": dead_key(stage),
        "x-delivery-limit": DELIVERY_LIMIT,
    }
    return Queue(work_queue(stage), arguments, EXCHANGE, stage)


def _dead(stage: str) -> Queue:
    arguments: Arguments = {**_QUORUM, "x-delivery-limit": _ENDLESS_LOOKS}
    return Queue(dead_queue(stage), arguments, EXCHANGE, dead_key(stage))


def _delay(step: timedelta) -> Queue:
    name = delay_name(step)
    arguments: Arguments = {
        **_QUORUM,
        **_TO_OUR_EXCHANGE,
        "x-message-ttl": round(step.total_seconds() * 1000),
        "x-delivery-limit": DELIVERY_LIMIT,
    }
    return Queue(name, arguments, exchange=name, routing_key="")
