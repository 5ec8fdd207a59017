"""The address at which others reach a server of ours."""

import asyncio

_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - recognised here, never a default


def reachable_at(host: str, server: asyncio.Server) -> str:
    """host:port at which a program on this machine reaches `server`, which listens on `host`."""
    shown = "127.0.0.1" if host in _WILDCARDS else host
    port = server.sockets[0].getsockname()[1]
    return f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"
