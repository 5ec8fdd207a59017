"""`python -m ingest` as operators run it: its ready line, its end, and a broker that goes away."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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

    def __init__(self, broker_url: str, folder: Path, bind: str) -> None:
        self._errors = folder / "stderr"
        settings = {
            "BUDKAVLE_BROKER_URL": broker_url,
            "BUDKAVLE_INGEST_BIND": bind,
            "BUDKAVLE_INGEST_PUBLISH_SECONDS": "2",
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

    def post(self, body: bytes) -> requests.Response:
        sent = {**HEADERS, "x-skltp-correlation-id": "corr-1"}
        return requests.post(self.url, body, headers=sent, timeout=30)

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
def running(broker_url: str, folder: Path, bind: str = "127.0.0.1:0") -> Iterator[Process]:
    process = Process(broker_url, folder, bind)
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
