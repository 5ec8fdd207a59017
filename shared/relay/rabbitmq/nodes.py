"""The nodes of a cluster, one after the other.

pika stays with the first address on which TCP connects, even when nothing answers there. Here each
attempt gets the next address, so a frozen or unreachable node is left.
"""

import random
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from urllib.parse import SplitResult

from pika.connection import Parameters

from shared.base.addresses import split_servers
from shared.relay.broker import UnknownBroker
from shared.relay.rabbitmq.wire import parameters_of

#: The addresses of a host and port. Raises OSError.
Resolve = Callable[[str, int], Sequence[str]]


def addresses_of(host: str, port: int) -> list[str]:
    """Every address that the name `host` has now, IPv4 and IPv6. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Nodes:
    """The nodes that a broker URL names, as pika's parameters, in shuffled order.

    `amqp://user:password@n1:5671,n2,n3/vhost`; a name with several addresses is several nodes.
    `connection` is shown in RabbitMQ's list of connections. Raises `UnknownBroker` when the URL
    cannot be read. Not thread-safe.
    """

    def __init__(self, url: str, connection: str, *, resolve: Resolve = addresses_of) -> None:
        self.connection = connection
        self._named = [parameters_of(single, connection) for single in _one_url_a_host(url)]
        self._resolve = resolve
        self._ahead: deque[Parameters] = deque()
        self._last: tuple[str, int] | None = None

    def next(self) -> Parameters:
        """The node for the next attempt. Every node has had one before any has a second.

        Names are resolved anew for each round: nodes come and go. No round begins with the node
        that the last one ended with: it was just left.
        """
        if not self._ahead:
            self._ahead.extend(self.all())
            if _place(self._ahead[0]) == self._last:
                self._ahead.rotate(-1)
        node = self._ahead.popleft()
        self._last = _place(node)
        return node

    @property
    def round_over(self) -> bool:
        """Whether every node has had its attempt, so that it is time to wait."""
        return not self._ahead

    def all(self) -> list[Parameters]:
        """Each node once, shuffled, so that a fleet spreads over the cluster."""
        nodes = [node for named in self._named for node in self._at_each_address(named)]
        random.shuffle(nodes)
        return nodes

    def _at_each_address(self, named: Parameters) -> Iterator[Parameters]:
        try:
            addresses = self._resolve(named.host, named.port)
        except OSError:
            addresses = [named.host]  # the attempt will fail, and its error says why
        for address in addresses:
            node = copy(named)
            node.host = address  # TLS still checks the name, which is in `ssl_options`
            yield node


def _place(node: Parameters) -> tuple[str, int]:
    return node.host, node.port


def _one_url_a_host(url: str) -> list[str]:
    parts, hosts = split_servers(url)
    login, at, _ = parts.netloc.rpartition("@")
    singles = [_with_host(parts, f"{login}{at}{host}") for host in hosts]
    if len(singles) > 1 and not all(hosts):
        raise UnknownBroker("BUDKAVLE_BROKER_URL: one of its hosts is empty")
    return singles


def _with_host(parts: SplitResult, netloc: str) -> str:
    return parts._replace(netloc=netloc).geturl()
