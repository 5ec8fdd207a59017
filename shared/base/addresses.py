"""Addresses as settings write them."""

_HIGHEST_PORT = 65_535


def split_bind(bind: str) -> tuple[str, int]:
    """`"127.0.0.1:8080"` as host and port. Raises ValueError."""
    host, colon, port = bind.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise ValueError("is not host:port")
    return host.strip("[]"), int(port)
