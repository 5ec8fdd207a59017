"""A booking system behind a platform, as a small HTTP server that does what a test tells it."""

import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.booking_samples import reply


@dataclass
class Call:
    """A request that came, and the means to answer it."""

    path: str
    headers: dict[str, str]
    body: bytes
    request: "_Requests" = field(repr=False)

    def answer(
        self, status: int = 200, body: bytes = b"", content_type: str = "text/xml; charset=utf-8"
    ) -> None:
        self.request.send_response(status)
        self.request.send_header("Content-Type", content_type)
        self.request.send_header("Content-Length", str(len(body)))
        self.request.end_headers()
        self.request.wfile.write(body)

    def write(self, data: bytes) -> None:
        """Bytes as they are; the connection is closed after the call."""
        self.request.close_connection = True
        with suppress(OSError):
            self.request.wfile.write(data)
            self.request.wfile.flush()

    def hang_up(self) -> None:
        self.request.close_connection = True

    def reset(self) -> None:
        """Cut the connection hard, as a crashing peer does."""
        self.request.close_connection = True
        hard = struct.pack("ii", 1, 0)
        self.request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)
        self.request.connection.close()


Answering = Callable[[Call], None]


def answer_well(call: Call) -> None:
    call.answer(body=reply())


class SourceServer(ThreadingHTTPServer):
    """`answers` are used one a call, then `always`."""

    daemon_threads = True

    def __init__(self, always: Answering, tls: ssl.SSLContext | None) -> None:
        self.always = always
        self.answers: list[Answering] = []
        self.calls: list[Call] = []
        self.connections = 0
        super().__init__(("127.0.0.1", 0), _Requests)
        self._scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    @property
    def url(self) -> str:
        return f"{self._scheme}://localhost:{self.server_address[1]}/vp/GetBookingDetails/1?x=1"

    def handle_error(self, *_arguments: object) -> None:
        """Connections that are cut on purpose are no news."""


class _Requests(BaseHTTPRequestHandler):
    server: SourceServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.server.connections += 1
        super().handle()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        call = Call(self.path, {k.lower(): v for k, v in self.headers.items()}, body, self)
        self.server.calls.append(call)
        answer = self.server.answers.pop(0) if self.server.answers else self.server.always
        answer(call)

    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def source_server(
    always: Answering = answer_well, *, tls: ssl.SSLContext | None = None
) -> Iterator[SourceServer]:
    server = SourceServer(always, tls)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
