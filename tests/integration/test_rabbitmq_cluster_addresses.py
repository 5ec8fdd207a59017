"""Several addresses of one broker, of which some take connections and never answer."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs
from structlog.typing import EventDict

from shared.relay import open_broker
from shared.relay.broker import Broker, BrokerUnavailable, PublishRefused
from shared.relay.rabbitmq import link
from shared.relay.topology import Topology
from tests.brokers import Reader, message, opened
from tests.polling import eventually
from tests.proxy import Proxy
from tests.services import RabbitMQ

#: Class 20, method 10.
_CHANNEL_OPEN = b"\x00\x14\x00\x0a"
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


class Unhelpful(Proxy):
    """Shakes hands and passes no channel on, as a node that cannot reach its cluster."""

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while (data := source.recv(65536)) and _CHANNEL_OPEN not in data:
                sink.sendall(data)
            while data:
                data = source.recv(65536)


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


def test_a_stage_names_the_node_that_never_answers(mute: Mute) -> None:
    with capture_logs() as lines, opened(f"amqp://guest:guest@127.0.0.1:{mute.port}/") as broker:
        broker.ready()
        line = eventually(lambda: _of(lines, "disconnected"), timeout=LONG)
    assert line["reason"] == "no answer to the handshake"
    assert line["node"] == f"127.0.0.1:{mute.port}"


def test_a_node_that_opens_no_channel_is_left(
    rabbitmq: RabbitMQ, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_OPEN_SECONDS", 2)
    with Unhelpful(rabbitmq.port) as one, capture_logs() as lines:
        url = with_hosts(rabbitmq_url, rabbitmq.port, one.port) + "?heartbeat=0"
        with opened(url) as broker:
            assert not broker.ready()
            line = eventually(lambda: _of(lines, "node_stalled"), timeout=LONG)
    assert line["why"] == "not_open"


def test_with_tls_each_host_is_checked_by_its_name(
    rabbitmq: RabbitMQ, rabbitmq_url: str, mute: Mute, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with Proxy(rabbitmq.port, tls=context) as proxy:
        url = with_hosts(rabbitmq_url, rabbitmq.port, mute.port, proxy.port)
        url = url.replace("amqp:", "amqps:") + f"?cafile={tmp_path}/ca.pem"
        with opened(url.replace("127.0.0.1", "localhost")) as broker:
            eventually(broker.ready, timeout=LONG)
            broker.publish([message("a")])
        with opened(url.replace(f"127.0.0.1:{mute.port},", "")) as wrong_name:
            assert not wrong_name.ready()


def _of(lines: list[EventDict], event: str) -> EventDict | None:
    return next((line for line in lines if line["event"] == event), None)


def test_a_node_that_freezes_is_left_by_publisher_and_idle_consumer(
    rabbitmq: RabbitMQ, rabbitmq_url: str
) -> None:
    """Heartbeats would take 48 s; here there are none."""
    with Proxy(rabbitmq.port) as one, Proxy(rabbitmq.port) as other:
        url = with_hosts(rabbitmq_url, rabbitmq.port, one.port, other.port) + "?heartbeat=0"
        with opened(url) as broker:
            reader = Reader(broker, prefetch=100)
            one.silence()
            # The reader acknowledges nothing, and takes a hundred: no more may come before "2".
            eventually(lambda: passes(broker, reader, "1"), timeout=LONG, every=0.5)
            one.resume()  # by now everybody is at the other
            other.silence()
            eventually(lambda: passes(broker, reader, "2"), timeout=LONG, every=0.5)


def test_a_connection_that_is_refused_is_left(rabbitmq: RabbitMQ, rabbitmq_url: str) -> None:
    """Here by a queue that is full. RabbitMQ 3.10 refuses so, for as long as a channel lives, when
    the leader of a queue was gone at the channel's first publish to it."""
    vhost = ("--vhost", rabbitmq_url.rpartition("/")[2])
    full = '{"max-length": 1, "overflow": "reject-publish"}'
    with capture_logs() as lines, opened(rabbitmq_url) as broker:
        rabbitmq.ctl("set_policy", *vhost, "full", r"^budkavle\.filter$", full)
        eventually(lambda: refuses(broker), timeout=LONG)
        left = eventually(lambda: _of(lines, "node_stalled"), timeout=LONG)
        assert left["why"] == "refused"
        rabbitmq.ctl("clear_policy", *vhost, "full")
        eventually(lambda: not refuses(broker), timeout=LONG)


def refuses(broker: Broker) -> bool:
    try:
        broker.publish([message("a")], timeout=5)
    except PublishRefused:
        return True
    except BrokerUnavailable as leaving:
        raise AssertionError from leaving
    return False


def passes(broker: Broker, reader: Reader, name: str) -> bool:
    with contextlib.suppress(BrokerUnavailable):
        broker.publish([message(name)], timeout=1)
    return name in reader.names
