"""Durable queues behind one Protocol; `open_broker` picks the one the URL names."""

from shared.relay.broker import Broker, UnknownBroker
from shared.relay.topology import Topology


def kind_of(url: str) -> str:
    """`embedded` or `rabbitmq`; "" for a URL that names no broker we have."""
    return {"sqlite": "embedded", "amqp": "rabbitmq", "amqps": "rabbitmq"}.get(
        url.partition(":")[0], ""
    )


def open_broker(url: str, topology: Topology | None = None, *, management_url: str = "") -> Broker:
    """`sqlite:///path` is the embedded broker, `amqp://` and `amqps://` are RabbitMQ.

    `management_url`: RabbitMQ's HTTP API, which tells what is unacknowledged. Opens no connection
    yet. Raises `UnknownBroker`.
    """
    topology = topology or Topology()
    match kind_of(url):
        case "embedded":
            from shared.relay.embedded.broker import EmbeddedBroker

            return EmbeddedBroker(url, topology)
        case "rabbitmq":
            from shared.relay.rabbitmq.broker import RabbitMQBroker

            return RabbitMQBroker(url, topology, management_url=management_url)
        case _:
            raise UnknownBroker("BUDKAVLE_BROKER_URL: is neither sqlite:/// nor amqp://")


#: How a fault ends of what `budkavle setup` would make.
MISSING = "is missing"


def broker_faults(url: str, topology: Topology) -> list[str]:
    """What of the topology is missing, differs, or may not be used. Raises `BrokerError`.

    The embedded broker makes what it lacks; it has faults only when its file cannot be used.
    """
    if kind_of(url) == "rabbitmq":
        from shared.relay.rabbitmq.inspection import faults_of

        return faults_of(url, topology)
    broker = open_broker(url, topology)
    try:
        broker.states()
    finally:
        broker.close()
    return []


def plugins_missing(url: str, management_url: str) -> list[str]:
    """What no message needs and operators do: RabbitMQ's metrics, by node. Raises `BrokerError`.

    Empty where there is no management API to ask.
    """
    if kind_of(url) != "rabbitmq" or not management_url:
        return []
    from shared.relay.rabbitmq.management import nodes_without

    plugin = "rabbitmq_prometheus"
    return [f"{plugin} is off on {node}" for node in nodes_without(plugin, management_url, url)]
