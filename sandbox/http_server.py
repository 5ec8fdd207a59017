"""A small HTTP/1.1 server that can misbehave: hang up half-way, or drip.

A handler answers a `Request` with an `SandboxReply`, directly (cheap: no task) or as a coroutine
(which is cancelled when the client disconnects).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import cast

import structlog

from sandbox.binding import reachable_at
from sandbox.http_wire import BadMessage, Request, RequestReader
from shared.base.addresses import split_bind

_log = structlog.get_logger()

_DRIPS = 20
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class SendMode(StrEnum):
    """How the bytes of a reply go out."""

    WHOLE = "whole"
    HANG_UP = "hang-up"  # half of it, then the connection is cut
    NOTHING = "nothing"  # the connection is cut without a byte
    DRIP = "drip"  # in small pieces over `SandboxReply.drip_seconds`


@dataclass(frozen=True, slots=True)
class SandboxReply:
    """A reply: status, body and how it is sent."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    delivery: SendMode = SendMode.WHOLE
    drip_seconds: float = 0
    headers: tuple[tuple[str, str], ...] = ()  # beside those of every reply

    def encode(self, *, keep_alive: bool) -> bytes:
        further = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        head = (
            f"HTTP/1.1 {self.status} {_PHRASES.get(self.status, '')}\r\n"
            f"Content-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\n"
            f"Connection: {'keep-alive' if keep_alive else 'close'}\r\n"
            f"{further}\r\n"
        )
        return head.encode("latin-1") + self.body


Handler = Callable[[Request], SandboxReply | Awaitable[SandboxReply]]


class HttpServer:
    """Serves `handler` on one address; `url` is known after `start`."""

    def __init__(self, handler: Handler, bind: str) -> None:
        self._handler = handler
        self._host, self._port = split_bind(bind)
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self.url = ""

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self._handler, self._connections),
            self._host,
            self._port,
            backlog=1024,
        )
        self.url = f"http://{reachable_at(self._host, self._server)}"

    async def stop(self) -> None:
        """Close at once: a client that still waits for an answer is held by a fault."""
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                connection.cut()
            await self._server.wait_closed()


class _Connection(asyncio.Protocol):
    """One client: reads requests, answers them one after another."""

    def __init__(self, handler: Handler, connections: "set[_Connection]") -> None:
        self._handler = handler
        self._connections = connections
        self._reader = RequestReader()
        self._transport: asyncio.Transport | None = None
        self._answering: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # as create_server promises
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._connections.discard(self)
        self._transport = None
        if self._answering is not None:
            self._answering.cancel()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        if self._answering is None:
            self._serve_waiting()

    def cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _serve_waiting(self) -> None:
        """Answer the requests received, until one is incomplete or is answered later."""
        try:
            while self._answering is None and (request := self._reader.take()):
                self._serve(request)
        except BadMessage as error:
            self._send(SandboxReply(400, str(error).encode()), keep_alive=False)
            return
        if self._answering is None and self._reader.waits_for_continue and self._transport:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _serve(self, request: Request) -> None:
        answer = self._handler(request)
        if isinstance(answer, SandboxReply) and answer.delivery is not SendMode.DRIP:
            self._send(answer, keep_alive=request.keeps_alive)
            return
        self._answering = asyncio.ensure_future(self._answer_later(request, answer))
        self._answering.add_done_callback(self._answered)

    async def _answer_later(
        self, request: Request, answer: SandboxReply | Awaitable[SandboxReply]
    ) -> None:
        reply = answer if isinstance(answer, SandboxReply) else await answer
        if reply.delivery is SendMode.DRIP:
            await self._drip(reply, keep_alive=request.keeps_alive)
        else:
            self._send(reply, keep_alive=request.keeps_alive)

    def _answered(self, done: asyncio.Future[None]) -> None:
        self._answering = None
        if done.cancelled():
            return
        if error := done.exception():
            _log.error("sandbox_handler_failed", exc_info=error)
            self._send(SandboxReply(500, b"the sandbox failed; see its log"), keep_alive=False)
        self._serve_waiting()

    def _send(self, reply: SandboxReply, *, keep_alive: bool) -> None:
        if self._transport is None:
            return
        if reply.delivery is SendMode.NOTHING:
            self._transport.abort()
            return
        data = reply.encode(keep_alive=keep_alive)
        if reply.delivery is SendMode.HANG_UP:
            self._transport.write(data[: len(data) - len(reply.body) // 2 - 1])
            self._transport.close()
            return
        self._transport.write(data)
        if not keep_alive:
            self._transport.close()

    async def _drip(self, reply: SandboxReply, *, keep_alive: bool) -> None:
        data = reply.encode(keep_alive=keep_alive)
        size = max(1, -(-len(data) // _DRIPS))
        for start in range(0, len(data), size):
            await asyncio.sleep(reply.drip_seconds / _DRIPS)
            if self._transport is not None:
                self._transport.write(data[start : start + size])
        if self._transport is not None and not keep_alive:
            self._transport.close()
