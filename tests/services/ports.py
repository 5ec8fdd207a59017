"""Loopback ports for servers that must come back on the same port after a restart."""

import random
import socket

#: Below the ports that Linux hands out to outgoing connections: a client that reconnects while its
#: server is down could otherwise be given the server's own port.
_RANGE = range(20_000, 30_000)
_TRIES = 200


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens now."""
    for _ in range(_TRIES):
        port = random.choice(_RANGE)
        if _is_free(port):
            return port
    raise RuntimeError(f"no free loopback port found in {_TRIES} tries")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
