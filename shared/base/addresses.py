"""Addresses in settings."""

from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

_HIGHEST_PORT = 65_535


def split_bind(bind: str) -> tuple[str, int]:
    """`"127.0.0.1:8080"` as host and port. Raises ValueError."""
    host, colon, port = bind.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise ValueError("is not host:port")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`, by its address or as `localhost`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def place_of(url: str) -> str:
    """The place of a broker or database, for people: host and port, or a file.

    Never a user, a password or an option. "?" for what cannot be read.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "?"
    if parts.scheme == "sqlite":
        return parts.path.removeprefix("/") or "?"
    host = parts.hostname or ",".join(parse_qs(parts.query).get("host", ["localhost"]))
    return f"{host}{port}"
