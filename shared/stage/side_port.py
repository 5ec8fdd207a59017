"""Small HTTP ports beside a stage's work, served by uvicorn within bounds.

uvicorn waits for a first request without a limit, accepts headers of any size, and bounds
connections only by refusing new ones.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: How long a stop waits for requests that are being answered.
_FINISH_SECONDS = 5
_BACKLOG = 128


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A request must begin, and its head be whole, within `read_seconds`.

    The same time bounds how long the rest of a request that was answered early is read and
    discarded, so that its sender receives the answer. Beyond `max_connections` the connection that
    has been idle the longest is closed, so idle ones keep nobody out. The application bounds the
    bodies.
    """

    max_head_bytes = 16 * 1024

    def __init__(
        self, *arguments: Any, read_seconds: float, max_connections: int, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self._read_seconds = read_seconds
        self._max_connections = max_connections
        self._patience: asyncio.TimerHandle | None = None
        self._in_head = False
        self._head_bytes = 0
        self.idle_since = time.monotonic()  # uvloop's own clock is not updated within a batch

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.idle_since = time.monotonic()
        self._make_room()
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > self.max_head_bytes:  # and the head has not ended in `data`
            self.transport.abort()
        self._wait_for_request()

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()
        self._stop_waiting()

    def on_response_complete(self) -> None:
        self.idle_since = time.monotonic()
        super().on_response_complete()

    def _make_room(self) -> None:
        """Close the connection that has been idle the longest, if there are too many."""
        live = [one for one in self.connections if not one.transport.is_closing()]
        if len(live) <= self._max_connections:
            return
        idle = [one for one in live if isinstance(one, BoundedProtocol) and one.idle]
        if idle:
            min(idle, key=lambda one: one.idle_since).transport.abort()

    def _wait_for_request(self) -> None:
        """Start the timer when no request is being handled, unless it runs already."""
        if self.idle and self._patience is None and not self.transport.is_closing():
            self._patience = self.loop.call_later(self._read_seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class _Server(uvicorn.Server):
    """Looks once a second whether to end, and at once when told to.

    uvicorn looks ten times a second: 1.6 ms of CPU a second in each process, whatever it does.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):  # at each 0 it writes the time for the Date header
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1)

    def end(self) -> None:
        """Thread-safe."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._told.set)


class SidePort:
    """Serves an ASGI application on a thread of its own. Raises OSError when `bind` is taken."""

    def __init__(
        self, name: str, bind: tuple[str, int], application: Any, *, max_connections: int
    ) -> None:
        family = socket.AF_INET6 if ":" in bind[0] else socket.AF_INET
        self._socket = socket.create_server(bind, family=family, backlog=_BACKLOG)
        self._server = _Server(_config(application, max_connections))
        self._thread = Thread(
            target=self._server.run, args=([self._socket],), name=name, daemon=True
        )

    @property
    def url(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, and finish the requests that are being answered."""
        self._server.end()
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()


def _config(application: Any, max_connections: int, read_seconds: float = 10) -> uvicorn.Config:
    protocol: Callable[..., asyncio.Protocol] = partial(
        BoundedProtocol, read_seconds=read_seconds, max_connections=max_connections
    )
    return uvicorn.Config(
        application,
        http=protocol,  # type: ignore[arg-type]
        loop="asyncio",  # uvloop takes 2.4 MiB and spares nothing here
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # paths may hold secrets
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_FINISH_SECONDS,
    )
