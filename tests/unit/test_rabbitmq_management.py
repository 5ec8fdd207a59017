"""What is read of RabbitMQ's management API, from a server that answers as it does."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from shared.relay.broker import BrokerUnavailable
from shared.relay.rabbitmq.management import unacknowledged

QUEUES = [
    {"name": "budkavle.filter", "messages_unacknowledged": 7},
    {"name": "budkavle.fetcher"},  # declared a moment ago
]


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """The server's host and port, and the paths and logins that it was asked with."""
    asked: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def basic(login: str) -> str:
    return f"Basic {b64encode(login.encode()).decode()}"


@pytest.mark.parametrize(
    ("management", "broker", "vhost", "login"),
    [
        ("http://HOST", "amqp://a:b%40@mq:5672/%2Fregion", "%2Fregion", "a:b@"),
        ("http://HOST/", "amqp://a:b@mq1,mq2/", "%2F", "a:b"),
        ("http://mon:secret@HOST", "amqp://a:b@mq/relay", "relay", "mon:secret"),
    ],
)
def test_it_asks_for_the_virtual_host_with_a_login(
    management: str, broker: str, vhost: str, login: str
) -> None:
    with answering(200, json.dumps(QUEUES).encode()) as (host, asked):
        found = unacknowledged(management.replace("HOST", host), broker)
    assert found == {"budkavle.filter": 7}
    path, authorization = asked[0]
    assert path == f"/api/queues/{vhost}?columns=name,messages_unacknowledged"
    assert authorization == basic(login)


@pytest.mark.parametrize(
    ("status", "body"), [(401, b"{}"), (200, b"<html>"), (200, b"{}x"), (200, b'[{"a": 1}, 2]')]
)
def test_nonsense_is_unavailable_and_shows_no_login(status: int, body: bytes) -> None:
    with answering(status, body) as (host, _), pytest.raises(BrokerUnavailable) as error:
        unacknowledged(f"http://mon:secret@{host}", "amqp://a:b@mq/")
    assert "secret" not in str(error.value)


def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(BrokerUnavailable, match="E_COULDNT_CONNECT"):
        unacknowledged("http://mon:secret@127.0.0.1:1", "amqp://a:b@mq/")
