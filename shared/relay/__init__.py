"""Durable queues behind one Protocol; `open_broker` picks the one the URL names."""

from urllib.parse import urlsplit

from shared.relay.broker import Broker, UnknownBroker
from shared.relay.topology import Topology


def open_broker(url: str, topology: Topology | None = None, *, management_url: str = "") -> Broker:
    """`sqlite:///path` is the embedded broker, `amqp://` and `amqps://` are RabbitMQ.

    `management_url`: RabbitMQ's HTTP API, which tells what is unacknowledged. Opens no connection
    yet. Raises `UnknownBroker`.
    """
    topology = topology or Topology()
    match urlsplit(url).scheme:
        case "sqlite":
            from shared.relay.embedded.broker import EmbeddedBroker

            return EmbeddedBroker(url, topology)
        case "amqp" | "amqps":
            from shared.relay.rabbitmq.broker import RabbitMQBroker

            return RabbitMQBroker(url, topology, management_url=management_url)
        case _:
            raise UnknownBroker("BUDKAVLE_BROKER_URL: is neither sqlite:/// nor amqp://")
