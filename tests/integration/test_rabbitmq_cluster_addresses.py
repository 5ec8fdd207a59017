"""Several addresses of one broker, of which some take connections and never answer."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from shared.relay import open_broker
from shared.relay.broker import Broker, BrokerUnavailable
from shared.relay.topology import Topology
from tests.brokers import Reader, message, opened
from tests.polling import eventually
from tests.proxy import Proxy
from tests.services import RabbitMQ

#: Handshake and watchdog have their say within this (seconds).
LONG = 60


class Mute:
    """Takes TCP connections, keeps them, and says nothing: a frozen node."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.taken: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self.taken.append(self._listener.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()
        for connection in self.taken:
            connection.close()


@pytest.fixture
def mute() -> Iterator[Mute]:
    mute = Mute()
    yield mute
    mute.close()


def with_hosts(url: str, own: int, *ports: int) -> str:
    return url.replace(f"127.0.0.1:{own}", ",".join(f"127.0.0.1:{port}" for port in ports))


def test_mute_nodes_are_left_for_the_one_that_answers(
    rabbitmq: RabbitMQ, rabbitmq_url: str, mute: Mute
) -> None:
    url = with_hosts(rabbitmq_url, rabbitmq.port, mute.port, rabbitmq.port)
    with opened(url) as broker:
        reader = Reader(broker)
        eventually(broker.ready, timeout=LONG)
        broker.publish([message("a")])
        eventually(lambda: reader.names == ["a"], timeout=LONG)


def test_an_operator_gets_through_beside_a_mute_node(
    rabbitmq: RabbitMQ, rabbitmq_url: str, mute: Mute
) -> None:
    with opened(with_hosts(rabbitmq_url, rabbitmq.port, mute.port, rabbitmq.port)) as broker:
        broker.declare()
        assert [state.ready for state in broker.states()] == [0, 0, 0, 0]


def test_a_broker_that_accepts_and_never_answers_is_reported(mute: Mute) -> None:
    broker = open_broker(f"amqp://guest:guest@127.0.0.1:{mute.port}/", Topology())
    with pytest.raises(BrokerUnavailable, match="no answer to the handshake"):
        broker.states()
    broker.close()


def test_a_node_that_freezes_is_left_by_publisher_and_idle_consumer(
    rabbitmq: RabbitMQ, rabbitmq_url: str
) -> None:
    """Heartbeats would take 48 s; here there are none."""
    with Proxy(rabbitmq.port) as one, Proxy(rabbitmq.port) as other:
        url = with_hosts(rabbitmq_url, rabbitmq.port, one.port, other.port) + "?heartbeat=0"
        with opened(url) as broker:
            reader = Reader(broker, prefetch=100)
            one.silence()
            eventually(lambda: passes(broker, reader, "1"), timeout=LONG)
            one.resume()  # by now everybody is at the other
            other.silence()
            eventually(lambda: passes(broker, reader, "2"), timeout=LONG)


def passes(broker: Broker, reader: Reader, name: str) -> bool:
    with contextlib.suppress(BrokerUnavailable):
        broker.publish([message(name)], timeout=1)
    return name in reader.names
