"""What every test may ask for: empty queues and databases on real servers, or on files.

The servers start when the first test needs them and end with the session. A test that stops one
need not start it again.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import hypothesis
import pytest
from hypothesis import settings

from tests.services import PostgreSQL, RabbitMQ

#: For `make quick`; every other run draws as many examples as Hypothesis does by default.
settings.register_profile("quick", max_examples=20)

#: `make nightly` tries each property so many times; without it, as often as hypothesis likes.
if _examples := os.environ.get("BUDKAVLE_PROPERTY_EXAMPLES"):
    hypothesis.settings.register_profile("nightly", max_examples=int(_examples), deadline=None)
    hypothesis.settings.load_profile("nightly")


#: Modules with tests of half a minute and more, the longest first. At the end of a run they would
#: leave one process at work and the others idle.
_LONG = (
    "test_benchmark_harness",
    "test_setup_replicas",
    "test_tutorial",
    "test_sms_failover",
    "test_chaos_short",
    "test_chaos_spool",
    "test_alerts_fire",
    "test_operator_pages",
    "test_inbox_walk",
    "test_accounts",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each process begins with its share of the long ones; all else stays in its order.

    pytest-xdist (worksteal) gives each process a part of the list, all of one length.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    others = iter([item for item in items if item.path.stem not in _LONG])
    ordered: list[pytest.Item] = []
    for number in range(processes):
        own = [item for item in items if item.path.stem in _LONG[number::processes]]
        ordered += own
        ordered += islice(others, max(0, len(items) // processes - len(own)))
    items[:] = [*ordered, *others]


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """A running RabbitMQ server, private to this test session."""
    with RabbitMQ() as server:
        yield server


@pytest.fixture
def rabbitmq_url(rabbitmq: RabbitMQ) -> Iterator[str]:
    """`amqp://…` of an empty virtual host, this test's own."""
    rabbitmq.start()
    url = rabbitmq.fresh_vhost()
    yield url
    rabbitmq.give_back(url)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    """A running PostgreSQL server, private to this test session."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgreSQL) -> Iterator[str]:
    """`postgresql+psycopg://…` of an empty database, this test's own."""
    postgres.start()
    url = postgres.fresh_database()
    yield url
    postgres.start()
    postgres.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once on each kind; its tables are the test's to make."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'budkavle.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=["embedded", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Empty queues, once on each broker; nothing is declared yet."""
    if request.param == "embedded":
        return f"sqlite:///{tmp_path / 'queues.sqlite3'}"
    url: str = request.getfixturevalue("rabbitmq_url")
    return url
