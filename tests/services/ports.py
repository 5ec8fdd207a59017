"""Loopback ports for servers that must come back on the same port after a restart."""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO

#: Below the ports that Linux hands out to outgoing connections: a client that reconnects while its
#: server is down could otherwise be given the server's own port.
_RANGE = range(20_000, 30_000)


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, and that nobody on this machine is given again.

    Byte N of a file, locked, is port N: the server may start much later. The lock ends with us.
    """
    for port in _in_our_order():
        if _taken_by_us(port) and _is_free(port):
            return port
    raise RuntimeError("this process has been given all loopback ports that tests use")


@cache
def _in_our_order() -> Iterator[int]:
    # Not the module's generator: Hypothesis seeds that one alike in every process.
    return iter(random.Random().sample(_RANGE, len(_RANGE)))


def _taken_by_us(port: int) -> bool:
    try:
        fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _locks() -> BinaryIO:
    return (Path(tempfile.gettempdir()) / f"budkavle-test-ports-{os.getuid()}").open("ab")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
