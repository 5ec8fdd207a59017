"""Sends notifications, as cheaply as it can: `python -m tests.benchmark.relay.generator URL PLAN`.

Made beforehand, sent over connections that are kept; one JSON line at the end tells how it went.
With a broker's URL as a third argument it pauses while the relay's queues hold too much.
"""

import json
import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from threading import Lock, Thread
from urllib.parse import urlsplit

from tests.benchmark.relay.depths import Gate
from tests.benchmark.relay.load import Plan
from tests.notifications import HEADERS

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_TIMEOUT = 60
_READ = 65_536


@dataclass
class Sent:
    """What was sent and answered.

    `started`: by the wall clock, in seconds. `answers`: seconds until each answer, from when the
    request was due. `answered_at`: seconds from the start to each answer, in the same order.
    """

    started: float
    answers: list[float] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.answers)

    @property
    def ended(self) -> float:
        """When the last request was answered, by the wall clock."""
        return self.started + max(self.answered_at, default=0.0)


class Sender:
    """Sends the requests of a plan in their order, each over whichever connection is free."""

    def __init__(self, url: str, plan: Plan, gate: Gate | None = None) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname, parts.port
        self._plan = plan
        self._gate = gate
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
                    due = self._wait_until_due(position)
                    _exchange(connection, request)
                    self._note(due)
        except BaseException as failure:  # noqa: BLE001 - raised by the main thread
            self._failure = failure

    def _next(self) -> tuple[int, bytes] | None:
        if self._gate:
            self._gate.wait()
        with self._guard:
            return None if self._failure or self._is_over() else next(self._requests, None)

    def _is_over(self) -> bool:
        limit = self._plan.seconds
        return bool(limit) and time.perf_counter() - self._started >= limit

    def _wait_until_due(self, position: int) -> float:
        """When the request is due. With a rate, one that starts late was due all the same."""
        now = time.perf_counter()
        if not self._plan.rate:
            return now
        due = self._started + position / self._plan.rate
        time.sleep(max(0.0, due - now))
        return due

    def _note(self, due: float) -> None:
        now = time.perf_counter()
        with self._guard:
            self._sent.answers.append(now - due)
            self._sent.answered_at.append(now - self._started)


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


def main(url: str, plan: Plan, broker_url: str = "") -> Sent:
    with Gate(broker_url) if broker_url else nullcontext() as gate:
        return Sender(url, plan, gate).run()


if __name__ == "__main__":
    sent = main(sys.argv[1], Plan.from_json(sys.argv[2]), *sys.argv[3:])
    sys.stdout.write(json.dumps(asdict(sent)))
