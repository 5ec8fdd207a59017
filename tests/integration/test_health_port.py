"""The health port: its pages, and that nobody who holds connections keeps a probe out."""

import threading
from collections.abc import Iterator
from threading import Event

import pytest
import requests

from shared.stage import health
from shared.stage.health import HealthServer
from tests.idle_connections import idle_connections
from tests.polling import eventually

CHECKS = {"broker": True, "database": True}


@pytest.fixture
def port() -> Iterator[HealthServer]:
    answers = dict(CHECKS)
    server = HealthServer("127.0.0.1:0", {name: lambda n=name: answers[n] for name in answers})
    server.answers = answers  # type: ignore[attr-defined]
    server.start()
    yield server
    server.stop()


def get(port: HealthServer, path: str) -> requests.Response:
    return requests.get(port.url + path, timeout=10)


def test_the_pages(port: HealthServer) -> None:
    assert (get(port, "/healthz").status_code, get(port, "/healthz").text) == (200, "ok\n")
    assert get(port, "/readyz?verbose").json() == CHECKS
    metrics = get(port, "/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "# TYPE" in metrics.text
    assert get(port, "/").status_code == 404
    assert requests.post(port.url + "/healthz", timeout=10).status_code == 405


def test_the_date_of_an_answer_goes_on(port: HealthServer) -> None:
    first = get(port, "/healthz").headers["date"]
    assert eventually(lambda: get(port, "/healthz").headers["date"] != first, every=0.2)


def test_one_failed_check_is_not_ready(port: HealthServer) -> None:
    port.answers["database"] = False  # type: ignore[attr-defined]
    reply = get(port, "/readyz")
    assert (reply.status_code, reply.json()) == (503, {"broker": True, "database": False})


def test_six_hundred_idle_connections_take_no_threads_and_keep_nobody_out(
    port: HealthServer,
) -> None:
    before = threading.active_count()
    with idle_connections(port.url, 600) as idle:
        assert get(port, "/healthz").status_code == 200
        assert get(port, "/readyz").status_code == 200
        assert threading.active_count() <= before + 2
        assert eventually(lambda: idle[0].recv(1) == b"")


def test_checks_that_hang_run_once_and_are_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_CHECK_SECONDS", 0.2)
    hanging, called = Event(), []

    def check() -> bool:
        called.append(1)
        return hanging.wait(10)

    server = HealthServer("127.0.0.1:0", {"database": check})
    server.start()
    try:
        replies = [get(server, "/readyz") for _ in range(3)]
        assert [reply.status_code for reply in replies] == [503] * 3
        assert replies[0].json() == {"database": False}
        assert get(server, "/healthz").status_code == 200
        assert len(called) == 1
        hanging.set()
        assert eventually(lambda: get(server, "/readyz").status_code == 200)
    finally:
        hanging.set()
        server.stop()
