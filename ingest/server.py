"""uvicorn with what an edge needs: who calls, and no endless waiting for a request."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ingest.callers import Peer
from ingest.http_parser import SteadyParser
from ingest.settings import IngestSettings
from ingest.tls import subject_serial_number
from shared.base.addresses import split_bind

#: Request line and headers; the platform's are far below.
_MAX_HEAD_BYTES = 64 * 1024
#: Longer than the platform keeps a connection idle, so that it is not closed under its next call.
_KEEP_ALIVE_SECONDS = 75


class EdgeProtocol(HttpToolsProtocol):
    """One connection. A request must begin, and its head be whole, within `read_seconds`.

    uvicorn bounds neither: it waits for a first request for ever, and keeps any amount of headers.
    (The body is bounded by `ingest.intake`.) The same time bounds how long the rest of a request
    that was answered early is read and thrown away, so that its sender gets to see the answer.
    """

    def __init__(
        self, *arguments: Any, read_seconds: float, max_connections: int, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self.parser = SteadyParser(self)
        self._read_seconds = read_seconds
        self._max_connections = max_connections
        self._patience: asyncio.TimerHandle | None = None
        self._in_head = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._max_connections:
            transport.abort()
            return
        hsa_id = subject_serial_number(transport.get_extra_info("peercert"))
        self.app_state = {
            **self.app_state,
            "peer": Peer(self.client[0] if self.client else "", hsa_id),
        }
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > _MAX_HEAD_BYTES:  # and the head has not ended in `data`
            self.transport.abort()
        self._wait_for_request()

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # the parser begins this request again
        self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()
        self._stop_waiting()

    def shutdown(self) -> None:
        """Called when the server drains. An idle connection goes at once.

        Closing TLS politely waits for the other side's farewell, and an idle client reads none:
        the drain would last as long as it may.
        """
        if self._idle and self.transport.get_write_buffer_size() == 0:
            self.transport.abort()
        else:
            super().shutdown()

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _wait_for_request(self) -> None:
        """Start the clock when no request is being handled, unless it runs already."""
        if self._idle and self._patience is None and not self.transport.is_closing():
            self._patience = self.loop.call_later(self._read_seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def build_server(
    app: Starlette, settings: IngestSettings, context: ssl.SSLContext | None
) -> uvicorn.Server:
    """A server for `app` that ends by SIGTERM: it finishes what was begun, and takes no more."""
    protocol: Callable[..., asyncio.Protocol] = partial(
        EdgeProtocol,
        read_seconds=settings.ingest_read_seconds,
        max_connections=settings.ingest_max_connections,
    )
    config = uvicorn.Config(
        app,
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # X-Forwarded-For would let anyone be a trusted proxy
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        ssl_context_factory=(lambda _config, _default: context) if context else None,
    )
    return uvicorn.Server(config)


def listen(bind: str) -> socket.socket:
    """A listening socket on `host:port`. Raises OSError, or ValueError for what is no host:port."""
    host, port = split_bind(bind)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def address_of(listener: socket.socket, *, tls: bool) -> str:
    """`https://host:port` of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
