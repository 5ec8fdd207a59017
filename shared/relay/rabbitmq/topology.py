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
    DISCARDED_KEPT,
    EXCHANGE,
    READING_STAGES,
    REPORTS_KEPT,
    Place,
    Topology,
    dead_key,
    delay_name,
    place_key,
    place_queue,
    reports_key,
    reports_queue,
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
        yield from (_dead(stage, place) for place in Place)
        yield _reports(stage)
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


def _dead(stage: str, place: Place) -> Queue:
    arguments: Arguments = {**_QUORUM, "x-delivery-limit": _ENDLESS_LOOKS}
    if place is Place.DISCARDED:
        arguments["x-message-ttl"] = _milliseconds(DISCARDED_KEPT)
    return Queue(place_queue(stage, place), arguments, EXCHANGE, place_key(stage, place))


def _reports(stage: str) -> Queue:
    """Nobody misses them when they are gone: they are read while an operator follows a replay."""
    arguments: Arguments = {
        **_QUORUM,
        "x-message-ttl": _milliseconds(REPORTS_KEPT),
        "x-delivery-limit": DELIVERY_LIMIT,
    }
    return Queue(reports_queue(stage), arguments, EXCHANGE, reports_key(stage))


def _delay(step: timedelta) -> Queue:
    name = delay_name(step)
    arguments: Arguments = {
        **_QUORUM,
        **_TO_OUR_EXCHANGE,
        "x-message-ttl": _milliseconds(step),
        "x-delivery-limit": DELIVERY_LIMIT,
    }
    return Queue(name, arguments, exchange=name, routing_key="")


def _milliseconds(length: timedelta) -> int:
    return round(length.total_seconds() * 1000)
