"""The network of chaos leads to whichever of several processes takes the connection."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from threading import Thread

from tests.chaos.network import Network

_SECONDS = 10


@contextmanager
def named(name: bytes) -> Iterator[int]:
    """A server that says its name to whoever connects; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=_greet, args=(server, name), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)  # wakes the thread, which ends


def _greet(server: socket.socket, name: bytes) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        with client:
            client.sendall(name)


def greeting(network: Network) -> bytes:
    with socket.create_connection(("127.0.0.1", network.port), _SECONDS) as client:
        return client.recv(100)


def test_several_are_taken_in_turn_and_one_that_is_gone_is_passed_over() -> None:
    with ExitStack() as until_it_goes, named(b"one") as one:
        other = until_it_goes.enter_context(named(b"other"))
        with closing(Network(one, other)) as network:
            assert {greeting(network), greeting(network)} == {b"one", b"other"}
            until_it_goes.close()
            assert [greeting(network) for _ in range(3)] == [b"one"] * 3


def test_it_listens_where_it_is_told_to_also_when_nobody_is_there() -> None:
    with closing(Network(1)) as before:
        port = before.port
    with closing(Network(1, port=port)) as network:
        assert network.port == port
        assert greeting(network) == b""
