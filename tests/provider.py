"""A provider over HTTP that answers as a test tells it, and remembers what it was asked."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]
    form: dict[str, str]


@dataclass
class HttpProvider:
    """`status`, `headers` and `body` are its answer; `before` is called first, and may hang."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"id": "s70df59406a", "status": "created", "parts": 1, "cost": 3500}'
    before: Callable[[], None] = lambda: None
    hangs_up: bool = False
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def http_provider() -> Iterator[HttpProvider]:
    provider = HttpProvider()

    class Requests(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            provider.asked.append(Asked(self.path, dict(self.headers), dict(parse_qsl(form))))
            provider.before()
            if provider.hangs_up:
                self.connection.close()
                return
            self.send_response(provider.status)
            for name, value in provider.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(provider.body)))
            self.end_headers()
            self.wfile.write(provider.body)

        def log_message(self, *_arguments: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    provider.url = f"http://127.0.0.1:{server.server_port}/a1/sms"
    Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield provider
    server.shutdown()
    server.server_close()


def hang(seconds: float) -> Callable[[], None]:
    return lambda: time.sleep(seconds)
