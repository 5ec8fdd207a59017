"""A subscriber of the index, and a taker of delivery reports, that answers as a test tells it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

from lxml import etree

from shared.riv.namespaces import ENGAGEMENT_INDEX, PROCESS_NOTIFICATION
from shared.riv.soap import build_envelope, fault

_OWN = f"{{{ENGAGEMENT_INDEX}}}"


@dataclass(frozen=True)
class Received:
    """One request as it came. `headers` by their names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def bookings(self) -> list[str]:
        name = f"{_OWN}businessObjectInstanceIdentifier"
        return [element.text or "" for element in etree.fromstring(self.body).iter(name)]

    def text(self, name: str) -> str | None:
        return etree.fromstring(self.body).findtext(f".//{_OWN}{name}")


Response = tuple[int, bytes]
Respond = Callable[[Received], Response]


def result(code: str, comment: str = "") -> Response:
    response = etree.Element(f"{{{PROCESS_NOTIFICATION}}}ProcessNotificationResponse")
    etree.SubElement(response, f"{{{PROCESS_NOTIFICATION}}}ResultCode").text = code
    if comment:
        etree.SubElement(response, f"{{{PROCESS_NOTIFICATION}}}comment").text = comment
    return 200, build_envelope(response)


def soap_fault() -> Response:
    return 500, fault("Server", "not now")


class FakeSubscriber:
    """`respond` answers each request; `received` holds them in the order they came."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.respond: Respond = lambda _: result("OK")
        self.most_at_once = 0
        self.url = ""
        self._at_once = 0
        self._lock = Lock()

    def answer(self, request: Received) -> Response:
        with self._lock:
            self.received.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self.respond(request)
        finally:
            with self._lock:
                self._at_once -= 1


@contextmanager
def fake_subscriber() -> Iterator[FakeSubscriber]:
    subscriber = FakeSubscriber()

    class Requests(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self._chunks() if self.chunked else self._whole()
            headers = {name.lower(): text for name, text in self.headers.items()}
            status, answer = subscriber.answer(Received(self.path, headers, body))
            self.send_response(status)
            self.send_header("Content-Type", "text/xml; charset=utf-8")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        @property
        def chunked(self) -> bool:
            return self.headers.get("Transfer-Encoding") == "chunked"

        def _whole(self) -> bytes:
            return self.rfile.read(int(self.headers["Content-Length"]))

        def _chunks(self) -> bytes:
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, *_: object) -> None:
            """Nothing: the test looks at what was received."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that gave up is part of the tests."""

    server = Server(("127.0.0.1", 0), Requests)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    subscriber.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield subscriber
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
