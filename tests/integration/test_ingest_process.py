"""`python -m ingest` as operators run it: its ready line, its end, and a broker that goes away."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from shared.booking.messages import Notification
from shared.relay import open_broker
from tests.brokers import Reader
from tests.notifications import HEADERS, SUBSCRIBER, request
from tests.polling import eventually
from tests.services import RabbitMQ
from tests.services.ports import free_port


class Process:
    """A running gateway, and what it wrote."""

    def __init__(self, broker_url: str, folder: Path, bind: str, wait: float) -> None:
        self._errors = folder / "stderr"
        settings = {
            "BUDKAVLE_BROKER_URL": broker_url,
            "BUDKAVLE_INGEST_BIND": bind,
            "BUDKAVLE_INGEST_PUBLISH_SECONDS": "2",
            "BUDKAVLE_INGEST_BROKER_WAIT_SECONDS": str(wait),
            "BUDKAVLE_DRAIN_SECONDS": "8",
            "BUDKAVLE_LOGICAL_ADDRESS": SUBSCRIBER,
            "BUDKAVLE_LOG_FORMAT": "json",
        }
        with self._errors.open("wb") as errors:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "ingest"],
                env={**os.environ, **settings},
                stdout=subprocess.PIPE,
                stderr=errors,
            )

    @cached_property
    def ready(self) -> dict[str, Any]:
        """Its one line on standard output, waited for."""
        assert self.popen.stdout is not None
        line: dict[str, Any] = json.loads(self.popen.stdout.readline())
        return line

    @cached_property
    def url(self) -> str:
        return str(self.ready["url"])

    def post(self, body: bytes, *, timeout: float = 30) -> requests.Response:
        sent = {**HEADERS, "x-skltp-correlation-id": "corr-1"}
        return requests.post(self.url, body, headers=sent, timeout=timeout)

    def metric(self, name: str) -> float:
        text = requests.get(f"{self.ready['health']}/metrics", timeout=9).text
        (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(line.split()[1])

    def is_ready(self) -> bool:
        beside = requests.get(f"{self.ready['health']}/readyz", timeout=9).status_code
        same = requests.get(self.url.replace("ProcessNotification", "readyz"), timeout=9)
        assert same.status_code == beside
        return beside == 200

    def log(self) -> str:
        return self._errors.read_text()

    def answered(self) -> list[dict[str, object]]:
        lines = map(json.loads, self.log().splitlines())
        return [line for line in lines if line["event"] == "answered"]


@contextmanager
def running(
    broker_url: str, folder: Path, bind: str = "127.0.0.1:0", *, wait: float = 1
) -> Iterator[Process]:
    process = Process(broker_url, folder, bind, wait)
    try:
        yield process
    finally:
        process.popen.kill()
        process.popen.communicate()


def test_the_ready_line_tells_where_to_call(broker_url: str, tmp_path: Path) -> None:
    with running(broker_url, tmp_path) as process:
        assert process.ready["ready"] == "ingest"
        assert process.ready["pid"] == process.popen.pid
        assert urlsplit(process.url).path == "/ProcessNotification"
        assert process.post(request(2)).status_code == 200
        assert process.is_ready()
        metrics = requests.get(f"{process.ready['health']}/metrics", timeout=9).text
        assert 'outcome="publish",reason="",stage="ingest"} 1.0' in metrics
        assert "budkavle_ingest_engagements_total 2.0" in metrics


def test_what_was_taken_stands_in_the_filters_queue(broker_url: str, tmp_path: Path) -> None:
    with running(broker_url, tmp_path) as process:
        process.post(request(3))
        broker = open_broker(broker_url)
        delivery = Reader(broker).next_one()
        broker.close()
        taken = Notification.decode(delivery.envelope.body)
        assert len(taken.engagements) == 3
        (line,) = eventually(process.answered)
        assert line["notification_id"] == taken.notification_id == delivery.envelope.message_id
        assert line["correlation_id"] == taken.correlation_id == "corr-1"
        assert "191212121212" not in process.log()


def test_sigterm_finishes_what_was_begun(tmp_path: Path) -> None:
    body = request()
    with running(f"sqlite:///{tmp_path / 'queues'}", tmp_path) as process:
        address = urlsplit(process.url)
        with socket.create_connection((address.hostname, address.port)) as sender:
            sender.settimeout(20)
            head = f"POST {address.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            sender.sendall(head.encode() + body[:-10])
            process.post(request())  # so that the first part of the other one has been read too
            process.popen.send_signal(signal.SIGTERM)
            eventually(lambda: "Shutting down" in process.log())
            sender.sendall(body[-10:])
            assert sender.recv(100).startswith(b"HTTP/1.1 200")
        assert process.popen.wait(20) == 0
        assert [line["outcome"] for line in process.answered()] == ["publish", "publish"]


def test_without_its_broker_ingest_faults_and_recovers_by_itself(
    rabbitmq: RabbitMQ, rabbitmq_url: str, tmp_path: Path
) -> None:
    with running(rabbitmq_url, tmp_path) as process:
        assert process.post(request()).status_code == 200
        rabbitmq.stop()
        eventually(lambda: not process.is_ready())
        refused = process.post(request())
        assert (refused.status_code, b"soap:Server" in refused.content) == (500, True)
        rabbitmq.start()
        eventually(process.is_ready, timeout=60)
        assert b"ResultCode>OK<" in process.post(request()).content
        assert process.popen.poll() is None


def test_until_its_broker_is_there_it_answers_faults_unannounced(
    rabbitmq: RabbitMQ, rabbitmq_url: str, tmp_path: Path
) -> None:
    rabbitmq.stop()
    bind = f"127.0.0.1:{free_port()}"
    with running(rabbitmq_url, tmp_path, bind=bind) as process:
        process.url = f"http://{bind}/ProcessNotification"
        assert eventually(lambda: status_of(process), timeout=30) == 500
        rabbitmq.start()
        assert process.ready["url"] == process.url  # its line, which comes only now
        assert process.post(request()).status_code == 200


SENDERS = 8


def test_a_broker_that_is_away_under_load_costs_no_notification_and_no_attempt(
    rabbitmq: RabbitMQ, rabbitmq_url: str, tmp_path: Path
) -> None:
    """Each sender waits for its answer before the next, as the index does, and never re-sends."""
    with running(rabbitmq_url, tmp_path, wait=50) as process, ThreadPoolExecutor(SENDERS) as pool:
        assert process.ready
        enough = threading.Event()
        senders = [pool.submit(send_until, enough, process, f"s{one}") for one in range(SENDERS)]
        eventually(lambda: len(process.answered()) > 50)
        rabbitmq.kill()
        eventually(lambda: process.metric("budkavle_ingest_held_requests") == SENDERS)
        assert not process.is_ready()
        time.sleep(4)  # the outage
        rabbitmq.start()
        eventually(process.is_ready, timeout=30)
        eventually(lambda: process.metric("budkavle_ingest_held_requests") == 0)
        before = len(process.answered())
        eventually(lambda: len(process.answered()) > before + 50)
        enough.set()
        sent = {name for sender in senders for name in sender.result()}
    broker = open_broker(rabbitmq_url)
    reader = Reader(broker, prefetch=2000)
    eventually(lambda: bookings_of(reader) >= sent, timeout=30)
    assert bookings_of(reader) == sent
    broker.close()


def send_until(enough: threading.Event, process: Process, sender: str) -> list[str]:
    """The bookings sent, each of which was answered OK at its first attempt."""
    sent: list[str] = []
    while not enough.is_set():
        name = f"{sender}-{len(sent)}"
        body = request().replace(b"booking-1", name.encode())
        assert b"ResultCode>OK<" in process.post(body, timeout=60).content
        sent.append(name)
        time.sleep(0.02)
    return sent


def bookings_of(reader: Reader) -> set[str]:
    taken = [Notification.decode(one.envelope.body) for one in list(reader.deliveries)]
    return {engagement.booking_id for one in taken for engagement in one.engagements}


def test_twelve_hundred_in_one_request_are_stored_in_parts_that_the_broker_takes(
    broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDKAVLE_INGEST_MAX_MESSAGE_BYTES", str(256 * 1024))
    with running(broker_url, tmp_path) as process:
        assert b"ResultCode>OK<" in process.post(request(1200)).content
        broker = open_broker(broker_url)
        reader = Reader(broker)
        eventually(lambda: len(bookings_of(reader)) == 1200)
        assert len(reader.deliveries) > 1
        broker.close()


def test_a_request_larger_than_the_brokers_limit_is_stored_in_parts(
    rabbitmq: RabbitMQ, rabbitmq_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ closes the channel of who publishes more than its `max_message_size`."""
    allow_messages_of(rabbitmq, 300_000)
    try:
        with running(rabbitmq_url, tmp_path) as process:
            assert process.post(request(2000)).status_code == 500
        monkeypatch.setenv("BUDKAVLE_INGEST_MAX_MESSAGE_BYTES", str(256 * 1024))
        with running(rabbitmq_url, tmp_path) as process:
            assert b"ResultCode>OK<" in process.post(request(2000)).content
    finally:
        allow_messages_of(rabbitmq, 128 * 1024 * 1024)
    broker = open_broker(rabbitmq_url)
    reader = Reader(broker)
    eventually(lambda: len(bookings_of(reader)) == 2000)
    broker.close()


def allow_messages_of(rabbitmq: RabbitMQ, size: int) -> None:
    """Bytes; in force for channels that are opened from now on. RabbitMQ 4 keeps it elsewhere."""
    rabbitmq.ctl(
        "eval",
        f"application:set_env(rabbit, max_message_size, {size}),"
        f" persistent_term:put(max_message_size, {size}).",
    )


def test_held_requests_end_in_order_on_sigterm(tmp_path: Path) -> None:
    nobody = f"amqp://guest:guest@127.0.0.1:{free_port()}"
    bind = f"127.0.0.1:{free_port()}"
    with running(nobody, tmp_path, bind=bind, wait=50) as process, ThreadPoolExecutor(1) as sender:
        process.url = f"http://{bind}/ProcessNotification"
        eventually(lambda: can_connect(bind), timeout=30)
        waiting = sender.submit(process.post, request())
        eventually(lambda: "request_held" in process.log())
        process.popen.send_signal(signal.SIGTERM)
        reply = waiting.result(timeout=30)
        assert (reply.status_code, b"soap:Server" in reply.content) == (500, True)
        assert process.popen.wait(8) == 0


def can_connect(bind: str) -> bool:
    host, _, port = bind.partition(":")
    try:
        socket.create_connection((host, int(port))).close()
    except OSError:
        return False
    return True


def status_of(process: Process) -> int | None:
    try:
        return process.post(request()).status_code
    except requests.ConnectionError:
        return None


def test_a_port_that_is_taken_ends_the_process(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = subprocess.run(
            [sys.executable, "-m", "ingest"],
            env={
                **os.environ,
                "BUDKAVLE_BROKER_URL": f"sqlite:///{tmp_path / 'queues'}",
                "BUDKAVLE_INGEST_BIND": f"127.0.0.1:{taken.getsockname()[1]}",
            },
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode != 0
    assert ended.stdout == b""
