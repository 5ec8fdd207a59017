"""The short form of `make chaos`, on the servers of this test session."""

import asyncio

import pytest

from shared.relay.topology import READING_STAGES
from tests.chaos.plan import Options
from tests.chaos.play import play
from tests.chaos.report import Report
from tests.services import PostgreSQL, RabbitMQ

OPTIONS = Options(count=250, sources=8, seed=20, seconds=15)


@pytest.fixture(scope="module")
def report(
    rabbitmq: RabbitMQ, postgres: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Report:
    folder = tmp_path_factory.mktemp("chaos")
    rabbitmq.start()
    postgres.start()
    return asyncio.run(play(OPTIONS, rabbitmq, postgres, folder, print))


def test_nothing_is_lost_or_twice_or_false_whatever_dies(report: Report) -> None:
    """One test for all: the tests of a module may be shared out among processes, and each would
    play it."""
    assert not report.wrongs, "\n".join([*report.wrongs, *report.details()])
    figures = report.figures
    assert figures["accepted"] > 100
    assert 0 < figures["requests"] < figures["accepted"]  # the index merged some
    assert figures["activated"] >= 1
    assert figures["expected"] == figures["found"] > 50
    # Ingest too, but only when the index can spare an attempt: in a short run that may be never.
    assert set(report.kills) >= set(READING_STAGES)
    assert figures["broker_restarts"] >= 1
    assert figures["database_restarts"] >= 1
