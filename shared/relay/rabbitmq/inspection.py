"""Whether RabbitMQ holds what this version expects, and lets our user work with it.

Declaring what is there changes nothing, and is refused when it differs. What is not there is only
asked for, so that a look never makes a queue.
"""

from collections.abc import Callable, Iterator

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, UnroutableError

from shared.relay.rabbitmq.nodes import Nodes
from shared.relay.rabbitmq.topology import Queue, exchanges, queues
from shared.relay.rabbitmq.wire import translated
from shared.relay.topology import EXCHANGE, Topology

_FAULTS = {403: "no permission", 404: "is missing", 406: "differs from this version"}
_NOT_FOUND = 404

Deed = Callable[[BlockingChannel], object]


def faults_of(url: str, topology: Topology) -> list[str]:
    """What is missing, differs or is forbidden. Raises `BrokerUnavailable`."""
    with translated():
        connection = pika.BlockingConnection(Nodes(url, "budkavle check").all())
        try:
            return [fault for fault in _look(connection, topology) if fault]
        finally:
            if connection.is_open:
                connection.close()


def _look(connection: pika.BlockingConnection, topology: Topology) -> Iterator[str]:
    for name, kind in exchanges(topology):
        look, declare = (_exchange(name, kind, passive=passive) for passive in (True, False))
        yield _declared(connection, f"the exchange {name}", look, declare)
    for queue in queues(topology):
        look, declare = (_queue(queue, passive=passive) for passive in (True, False))
        yield _declared(connection, f"the queue {queue.name}", look, declare)
        yield _tried(connection, f"reading the queue {queue.name}", _read_if_empty(queue.name))
    yield _tried(connection, f"writing to the exchange {EXCHANGE}", _write)


def _declared(connection: pika.BlockingConnection, what: str, look: Deed, declare: Deed) -> str:
    return _tried(connection, what, look) or _tried(connection, what, declare)


def _tried(connection: pika.BlockingConnection, what: str, deed: Deed) -> str:
    """ "" when the broker lets us. It closes the channel when not, so each deed has its own."""
    channel = connection.channel()
    try:
        deed(channel)
    except ChannelClosedByBroker as refusal:
        return f"{what}: {_FAULTS.get(refusal.reply_code, refusal.reply_text)}"
    if channel.is_open:
        channel.close()
    return ""


def _exchange(name: str, kind: str, *, passive: bool) -> Deed:
    return lambda channel: channel.exchange_declare(
        name, exchange_type=kind, durable=True, passive=passive
    )


def _queue(queue: Queue, *, passive: bool) -> Deed:
    return lambda channel: channel.queue_declare(
        queue.name, durable=True, arguments=queue.arguments, passive=passive
    )


def _read_if_empty(name: str) -> Deed:
    """Of a queue that is not empty a look would count as a delivery."""

    def read(channel: BlockingChannel) -> None:
        try:
            waiting = channel.queue_declare(name, passive=True).method.message_count
        except ChannelClosedByBroker as refusal:
            if refusal.reply_code == _NOT_FOUND:
                return  # that it is missing was found before
            raise
        if waiting == 0:
            channel.basic_get(name)

    return read


def _write(channel: BlockingChannel) -> None:
    """A message that no queue wants comes back."""
    channel.confirm_delivery()
    try:
        channel.basic_publish(EXCHANGE, "budkavle.check", b"", mandatory=True)
    except UnroutableError:
        return
