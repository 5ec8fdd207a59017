"""Addresses in settings."""

from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qs, urlsplit

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


def split_servers(url: str) -> tuple[SplitResult, list[str]]:
    """A URL that may name several servers: its parts as if it named the first, and each server.

    `scheme://user:password@n1:5671,n2,[::1]/path` gives `n1:5671`, `n2` and `[::1]`. `urlsplit`
    alone refuses it from Python 3.13 on, and misreads its ports before. Raises ValueError.
    """
    scheme, mark, rest = url.partition("://")
    end = next((at for at, letter in enumerate(rest) if letter in "/?#"), len(rest))
    login, at, listed = rest[:end].rpartition("@")
    servers = listed.split(",")
    return urlsplit(f"{scheme}{mark}{login}{at}{servers[0]}{rest[end:]}"), servers


def place_of(url: str) -> str:
    """The place of a broker or database, for people: hosts and ports, or a file.

    Never a user, a password or an option. "?" for what cannot be read.
    """
    try:
        parts, servers = split_servers(url)
        ports = [urlsplit(f"//{server}").port for server in servers]
    except ValueError:
        return "?"
    if parts.scheme == "sqlite":
        return parts.path.removeprefix("/") or "?"
    if len(servers) > 1:
        return ",".join(servers)
    host = parts.hostname or ",".join(parse_qs(parts.query).get("host", ["localhost"]))
    return f"{host}:{ports[0]}" if ports[0] else host
