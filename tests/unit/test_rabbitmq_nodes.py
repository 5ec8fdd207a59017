"""The addresses of a broker, one for each attempt."""

from itertools import pairwise

import pytest

from shared.relay.broker import UnknownBroker
from shared.relay.rabbitmq.nodes import Nodes, addresses_of

CLUSTER = "amqp://me:secret@n1:5671,n2,[::1]:5673/relay?heartbeat=7"


def as_named(host: str, _port: int) -> list[str]:
    return [host]


def nodes(url: str, resolve=as_named) -> Nodes:
    return Nodes(url, "budkavle test", resolve=resolve)


def test_each_host_is_a_node_with_all_that_the_url_says() -> None:
    found = sorted(nodes(CLUSTER).all(), key=lambda node: node.host)
    assert [(node.host, node.port) for node in found] == [("::1", 5673), ("n1", 5671), ("n2", 5672)]
    for node in found:
        assert (node.virtual_host, node.heartbeat) == ("relay", 7)
        assert (node.credentials.username, node.credentials.password) == ("me", "secret")


def test_every_address_of_a_name_is_a_node() -> None:
    found = nodes("amqp://rabbit/", lambda _host, _port: ["10.0.0.1", "10.0.0.2"]).all()
    assert sorted(node.host for node in found) == ["10.0.0.1", "10.0.0.2"]


def test_each_node_has_an_attempt_before_any_has_a_second() -> None:
    rotation = nodes(CLUSTER)
    for _ in range(5):
        names = {rotation.next().host for _ in range(3)}
        assert names == {"n1", "n2", "::1"}
        assert rotation.round_over


def test_no_round_begins_with_the_node_that_was_just_left() -> None:
    """A frozen one would cost its silence a second time."""
    rotation = nodes(CLUSTER)
    hosts = [rotation.next().host for _ in range(300)]
    assert all(before != after for before, after in pairwise(hosts))


def test_not_everybody_begins_with_the_same_node() -> None:
    assert len({nodes(CLUSTER).next().host for _ in range(200)}) == 3


def test_a_name_is_resolved_anew_in_each_round() -> None:
    known = iter([["10.0.0.1"], ["10.0.0.2"]])
    rotation = nodes("amqp://rabbit/", lambda _host, _port: next(known))
    assert [rotation.next().host, rotation.next().host] == ["10.0.0.1", "10.0.0.2"]


def test_a_name_that_cannot_be_resolved_is_left_to_the_attempt() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    assert nodes("amqp://rabbit/", unknown).next().host == "rabbit"


def test_tls_checks_the_name_and_not_the_address() -> None:
    node = nodes("amqps://rabbit.example/", lambda _host, _port: ["10.0.0.1"]).next()
    assert node.host == "10.0.0.1"
    assert node.ssl_options is not None
    assert node.ssl_options.server_hostname == "rabbit.example"


@pytest.mark.parametrize("hosts", ["n1,,n2", "n1,", ",n1", "n1:port,n2"])
def test_a_list_that_cannot_be_read_is_refused_without_its_password(hosts: str) -> None:
    with pytest.raises(UnknownBroker) as refusal:
        nodes(f"amqp://me:secret@{hosts}/relay")
    assert "secret" not in str(refusal.value)


def test_a_real_name_resolves() -> None:
    assert "127.0.0.1" in addresses_of("127.0.0.1", 5672)
