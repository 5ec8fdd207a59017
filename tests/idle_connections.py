"""Connections that are opened and then say nothing, or nothing more."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit


@contextmanager
def idle_connections(url: str, count: int, said: bytes = b"") -> Iterator[list[socket.socket]]:
    """`count` connections to `url`; each has `said` that much, and got an answer if it said any."""
    address = urlsplit(url)
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            connection = socket.create_connection((address.hostname, address.port), timeout=10)
            opened.append(stack.enter_context(connection))
            if said:
                connection.sendall(said)
                assert connection.recv(65536)
        yield opened
