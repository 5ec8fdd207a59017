"""A mail server whose greeting never ends: sent fast, to exhaust memory, or byte by byte."""

import asyncio
from typing import cast

_LINE = b"220-" + b"x" * 500 + b"\r\n"
_AT_ONCE = 64 * 1024


class EndlessGreeting(asyncio.Protocol):
    """One connection. `pause_seconds` between bytes; 0 sends as fast as the client reads."""

    def __init__(self, pause_seconds: float = 0) -> None:
        self._pause_seconds = pause_seconds
        self._chunks = _LINE * (_AT_ONCE // len(_LINE))
        self._sent = 0
        self._paused = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # as create_server promises
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.transport = None

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._go_on()

    def _go_on(self) -> None:
        if self.transport is None or self._paused:
            return
        if self._pause_seconds:
            self.transport.write(self._chunks[self._sent : self._sent + 1])
            self._sent = (self._sent + 1) % len(_LINE)
        else:
            self.transport.write(self._chunks)
        asyncio.get_running_loop().call_later(self._pause_seconds, self._go_on)
