"""uvicorn with what a public endpoint needs: who calls, and time limits for requests."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from ingest.callers import Peer
from ingest.settings import IngestSettings
from ingest.tls import subject_serial_number
from shared.base.addresses import split_bind
from shared.base.http_parser import SteadyParser
from shared.stage.side_port import BoundedProtocol

#: Request line and headers; those of the platform are much shorter.
_MAX_HEAD_BYTES = 64 * 1024
#: How a response begins, unless it is an interim one (`100 Continue`).
_FINAL_RESPONSE = tuple(b"HTTP/1.1 %d" % status for status in (2, 3, 4, 5))
#: Longer than the platform keeps an idle connection, so that we never close it during a call.
_KEEP_ALIVE_SECONDS = 75


class OneWrite:
    """A transport that writes the head of a response together with its body.

    uvicorn writes them one by one, and uvloop makes each a system call and a packet. A head is held
    no longer than the event loop's present iteration.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif data.startswith(_FINAL_RESPONSE):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._head:
            self.write(b"")


class EdgeProtocol(BoundedProtocol):
    """One connection; it knows who calls. `ingest.intake` bounds the bodies."""

    max_head_bytes = _MAX_HEAD_BYTES

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.parser = SteadyParser(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = OneWrite(transport, self.loop)  # type: ignore[assignment]
        hsa_id = subject_serial_number(transport.get_extra_info("peercert"))
        self.app_state = {
            **self.app_state,
            "peer": Peer(self.client[0] if self.client else "", hsa_id),
        }

    def on_headers_complete(self) -> None:
        if not self.parser.should_upgrade():  # else the parser begins this request again
            super().on_headers_complete()

    def shutdown(self) -> None:
        """Called when the server drains. An idle connection is closed at once.

        An orderly end of TLS waits for the other side's close_notify, which an idle client does not
        send: the drain would last as long as it may.
        """
        if self.idle and self.transport.get_write_buffer_size() == 0:
            self.transport.abort()
        else:
            super().shutdown()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()


class DrainingServer(uvicorn.Server):
    """Calls `on_drain` when it takes no more requests, before it waits for those in flight."""

    def __init__(self, config: uvicorn.Config, on_drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_drain = on_drain

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_drain()
        await super().shutdown(sockets)


class EdgeConfig(uvicorn.Config):
    """A TLS handshake, too, must be whole within `read_seconds`.

    uvicorn leaves it asyncio's minute, and counts a connection only when it is over.
    """

    def __init__(self, app: ASGIApp, *, read_seconds: float, **named: Any) -> None:
        super().__init__(app, **named)
        self._read_seconds = read_seconds

    def get_loop_factory(self) -> Callable[[], asyncio.AbstractEventLoop]:
        make = super().get_loop_factory() or asyncio.new_event_loop

        def new_loop() -> asyncio.AbstractEventLoop:
            loop = make()
            if self.is_ssl:
                create = partial(loop.create_server, ssl_handshake_timeout=self._read_seconds)
                loop.create_server = create  # type: ignore[method-assign]
            return loop

        return new_loop


def build_server(
    app: ASGIApp,
    settings: IngestSettings,
    context: ssl.SSLContext | None,
    on_drain: Callable[[], None],
) -> uvicorn.Server:
    """A server for `app`. On SIGTERM it finishes the requests in flight and takes no more."""
    protocol: Callable[..., asyncio.Protocol] = partial(
        EdgeProtocol,
        read_seconds=settings.ingest_read_seconds,
        max_connections=settings.ingest_max_connections,
    )
    config = EdgeConfig(
        app,
        read_seconds=settings.ingest_read_seconds,
        http=protocol,
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
    return DrainingServer(config, on_drain)


def listen(bind: str) -> socket.socket:
    """A listening socket on `host:port`. Raises OSError, or ValueError for what is no host:port."""
    host, port = split_bind(bind)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def address_of(listener: socket.socket, *, tls: bool) -> str:
    """`https://host:port` of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
