"""The gateway in this process, on a free port, with a broker that does as it is told."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from ingest.__main__ import build_endpoint
from ingest.app import build_app
from ingest.server import address_of, build_server, listen
from ingest.settings import IngestSettings
from ingest.tls import LiveTls
from shared.booking.messages import Notification
from shared.relay.broker import BrokerError, Outgoing, PublishRefused
from tests.notifications import HEADERS


class ToldBroker:
    """Keeps what is published. `trouble` is raised instead; `open` cleared holds publishes up."""

    def __init__(self) -> None:
        self.published: list[Outgoing] = []
        self.trouble: BrokerError | None = None
        self.open = threading.Event()
        self.open.set()
        self.waiting = 0

    def publish(self, messages: Sequence[Outgoing], *, timeout: float = 10) -> None:
        self.waiting += 1
        self.open.wait(timeout=30)
        self.waiting -= 1
        if self.trouble is not None:
            raise self.trouble
        self.published.extend(messages)

    def ready(self) -> bool:
        return self.trouble is None

    @property
    def notifications(self) -> list[Notification]:
        return [Notification.decode(one.envelope.body) for one in self.published]


class PromptBroker(ToldBroker):
    """Answers from a thread of its own, as RabbitMQ does."""

    def begin_publish(
        self, messages: Sequence[Outgoing], answered: Callable[[BrokerError | None], None]
    ) -> Callable[[], None]:
        if self.trouble is not None and not isinstance(self.trouble, PublishRefused):
            raise self.trouble
        threading.Thread(target=self._confirm, args=(messages, answered), daemon=True).start()
        return lambda: None

    def _confirm(
        self, messages: Sequence[Outgoing], answered: Callable[[BrokerError | None], None]
    ) -> None:
        try:
            self.publish(messages)
        except BrokerError as error:
            answered(error)
        else:
            answered(None)


@dataclass
class Gateway:
    url: str
    broker: ToldBroker
    tls: LiveTls | None

    def post(self, body: bytes, **headers: str) -> requests.Response:
        sent = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return requests.post(f"{self.url}/ProcessNotification", body, headers=sent, timeout=30)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=30)


@contextmanager
def running_gateway(
    *, made: type[ToldBroker] = ToldBroker, **settings: object
) -> Iterator[Gateway]:
    """As `python -m ingest` builds it, with `settings` of `IngestSettings`."""
    told = IngestSettings(**{"ingest_bind": "127.0.0.1:0", **settings})
    broker = made()
    tls = LiveTls(told.tls) if told.tls else None
    listener = listen(told.ingest_bind)
    with ThreadPoolExecutor(told.ingest_threads) as threads:
        endpoint, wait = build_endpoint(told, broker, threads)  # type: ignore[arg-type]
        app = build_app(endpoint, {"broker": broker.ready})
        server = build_server(app, told, tls.context if tls else None, wait.end_soon)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Gateway(address_of(listener, tls=tls is not None), broker, tls)
        finally:
            broker.open.set()
            server.should_exit = True
            thread.join()


def connect(gateway: Gateway) -> socket.socket:
    address = urlsplit(gateway.url)
    connection = socket.create_connection((address.hostname, address.port))
    connection.settimeout(20)
    return connection


def closed(connection: socket.socket) -> bool:
    try:
        while connection.recv(1000):
            pass
    except ConnectionResetError:
        pass
    return True
