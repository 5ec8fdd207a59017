"""Requests that the gateway holds while the broker is away, and what it serves meanwhile."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from prometheus_client import REGISTRY
from requests import Response

from shared.relay.broker import BrokerUnavailable
from tests.gateway import Gateway, closed, connect, running_gateway
from tests.notifications import PROCESS_NOTIFICATION, envelope, request
from tests.polling import eventually

OK = b"<ei:ResultCode>OK</ei:ResultCode>"


@contextmanager
def held(number: int, **settings: object) -> Iterator[tuple[Gateway, list[Future[Response]]]]:
    """A gateway whose broker is away, and so many requests that it holds."""
    with running_gateway(**settings) as gateway, ThreadPoolExecutor(number) as senders:
        gateway.broker.trouble = BrokerUnavailable("away")
        waiting = [senders.submit(gateway.post, request()) for _ in range(number)]
        gauge = "budkavle_ingest_held_requests"
        eventually(lambda: REGISTRY.get_sample_value(gauge) == number)
        yield gateway, waiting


def test_requests_are_held_while_the_broker_is_away_and_others_are_served() -> None:
    """Forty: more than there are threads, and for longer than a request may take to arrive."""
    ping = envelope("").replace(
        f"{PROCESS_NOTIFICATION}".encode(),
        b"urn:riv:itintegration:monitoring:PingForConfigurationResponder:1",
    ).replace(b"n:ProcessNotification", b"n:PingForConfiguration")  # fmt: skip
    with held(40, ingest_read_seconds=0.5, ingest_threads=4) as (gateway, waiting):
        until = time.monotonic() + 1.2
        while time.monotonic() < until:
            assert gateway.get("/readyz").status_code == 503
            assert gateway.get("/healthz").status_code == 200
            assert b"pingDateTime" in gateway.post(ping).content
        assert not any(one.done() for one in waiting)
        gateway.broker.trouble = None
        assert all(OK in one.result().content for one in waiting)
        assert len(gateway.broker.published) == 40


def test_held_requests_count_as_in_flight() -> None:
    with held(2, ingest_max_in_flight=2) as (gateway, waiting):
        assert gateway.post(request()).status_code == 503
        gateway.broker.trouble = None
        assert all(OK in one.result().content for one in waiting)
        assert OK in gateway.post(request()).content


def test_the_bytes_of_held_requests_count() -> None:
    with held(2, ingest_max_held_bytes=2 * len(request()) + 10) as (gateway, waiting):
        assert gateway.post(request()).status_code == 503
        gateway.broker.trouble = None
        assert all(OK in one.result().content for one in waiting)


def test_held_connections_count_and_the_others_are_served() -> None:
    with held(3, ingest_max_connections=4) as (gateway, waiting):
        with connect(gateway) as fourth, connect(gateway) as fifth:
            assert closed(fourth)  # the longest idle; those that are held are not
            fifth.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert fifth.recv(100).startswith(b"HTTP/1.1 200")
        gateway.broker.trouble = None
        assert all(OK in one.result().content for one in waiting)
