"""Sends notifications, as cheaply as it can: `python -m tests.benchmark.relay.generator URL PLAN`.

Made beforehand, sent over connections that are kept; one JSON line at the end tells how it went.
"""

import json
import re
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from threading import Lock, Thread
from urllib.parse import urlsplit

from tests.benchmark.relay.load import Plan
from tests.notifications import HEADERS

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_TIMEOUT = 60
_READ = 65_536


@dataclass
class Sent:
    """`started`: by the wall clock. `answers`: seconds until each answer, from when it was due."""

    started: float
    answers: list[float] = field(default_factory=list)


class Sender:
    """Sends the requests of a plan in their order, each over whichever connection is free."""

    def __init__(self, url: str, plan: Plan) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname, parts.port
        self._rate = plan.rate
        self._requests: Iterator[tuple[int, bytes]] = enumerate(
            [_with_head(f"{parts.hostname}:{parts.port}", parts.path, body)
             for body in plan.requests()]
        )  # fmt: skip
        self._threads = [Thread(target=self._send) for _ in range(plan.connections)]
        self._guard = Lock()
        self._failure: BaseException | None = None

    def run(self) -> Sent:
        """Raises what kept any request from being taken."""
        self._sent = Sent(time.time())
        self._started = time.perf_counter()
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()
        if self._failure:
            raise self._failure
        return self._sent

    def _send(self) -> None:
        try:
            with socket.create_connection(self._address, _TIMEOUT) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while (ticket := self._next()) is not None:
                    position, request = ticket
                    due = self._wait_for_turn(position)
                    _exchange(connection, request)
                    self._sent.answers.append(time.perf_counter() - due)
        except BaseException as failure:  # noqa: BLE001 - told by the main thread
            self._failure = failure

    def _next(self) -> tuple[int, bytes] | None:
        with self._guard:
            return None if self._failure else next(self._requests, None)

    def _wait_for_turn(self, position: int) -> float:
        """When the request is due. With a rate, one that starts late was due all the same."""
        now = time.perf_counter()
        if not self._rate:
            return now
        due = self._started + position / self._rate
        time.sleep(max(0.0, due - now))
        return due


def _with_head(host: str, path: str, body: bytes) -> bytes:
    headers = {"Host": host, "Content-Length": str(len(body)), **HEADERS}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _exchange(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    answer = b""
    while not _is_whole(answer):
        piece = connection.recv(_READ)
        assert piece, "the connection was closed instead of an answer"
        answer += piece
    assert b">OK<" in answer, answer.decode()


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return bool(end) and length is not None and len(body) >= int(length[1])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(Sender(sys.argv[1], Plan.from_json(sys.argv[2])).run())))
