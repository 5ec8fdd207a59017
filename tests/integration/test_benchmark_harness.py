"""The benchmark runs and counts right, at sizes at which no figure means anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmark.bench import relay_figures
from tests.benchmark.hop.race import race
from tests.benchmark.relay import backlog, scenes
from tests.benchmark.relay.full import empty_and_full
from tests.benchmark.relay.load import Plan
from tests.benchmark.relay.product import Product
from tests.benchmark.relay.scenes import throughput
from tests.benchmark.relay.world import Servers
from tests.benchmark.sms import over_tls
from tests.services import RabbitMQ

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as running:
        yield running


@pytest.fixture
def barely_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay that is to be counted right need not be warm."""
    monkeypatch.setattr(scenes, "_WARM_UP", Plan(10, first=90_000_000))


def test_a_race_of_our_runner_and_bare_pika(rabbitmq: RabbitMQ) -> None:
    rabbitmq.start()
    lines: list[str] = []
    standings = race(rabbitmq, ["budkavle", "pika"], hops=50, repetitions=1, log=lines.append)
    assert list(standings) == ["budkavle", "pika"]
    assert all(one.per_second > 0 and one.cpu_us > 0 for one in standings.values())
    assert len(lines) == 2


def test_sms_over_tls_are_accepted_over_kept_and_new_connections() -> None:
    """Raises when one is not. New connections cost handshakes: no machine makes that equal."""
    found = over_tls(40)
    assert found["new"].cpu_ms > found["kept"].cpu_ms


@pytest.mark.usefixtures("barely_warm")
def test_a_loaded_relay_counts_what_it_sent_and_what_it_cost(servers: Servers) -> None:
    """The programs of a work tree, which is this one here."""
    course = throughput(servers, 2, product=Product(ROOT))
    found = relay_figures(course)
    assert course.count == len(course.moments.messages) == len(course.moments.notices) > 0
    assert {name: sum(line) for name, line in found["timeline"].items()} == dict.fromkeys(
        ("requests", "messages", "notices"), course.count
    )
    assert min(found["cpu_ms"].values()) > 0


@pytest.mark.usefixtures("barely_warm")
def test_a_full_database_and_a_long_queue_are_measured(servers: Servers) -> None:
    both = empty_and_full(servers, rows=2000, rate=20, seconds=1)
    drained = backlog.drain(servers, 1000)
    assert min(both.empty.times.p50, both.full.times.p50, both.full.our_cpu_ms) > 0
    assert drained.looks[-1].left == 0
    assert drained.rate_at_begin > 0
