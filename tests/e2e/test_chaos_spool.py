"""The broker is away for longer than the index sends again, and ingest spools what comes.

What a SIGKILL of ingest leaves of the spool is shown by tests/unit/test_spool.py: the index of this
play gives up before a new ingest has started.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.chaos.plan import Options
from tests.chaos.play import play
from tests.chaos.report import Report
from tests.chaos.stage import Stage
from tests.services import PostgreSQL, RabbitMQ

OPTIONS = Options(count=250, sources=8, seed=23, seconds=25)
_BEFORE, _AWAY, _AFTER = 4, 9, 4
#: The index gives a notification up after two attempts, each held for a second: long before _AWAY.
_SETTINGS = {
    "BUDKAVLE_INGEST_BROKER_WAIT_SECONDS": "1",
    "BUDKAVLE_SANDBOX_INDEX_RESENDS": "1",
    "BUDKAVLE_SANDBOX_INDEX_RESEND_SECONDS": "1",
}
_ZERO = ("lost", "duplicated", "notices_twice", "notices_missing", "refused", "index_dead",
         "stuck", "undrained", "crashed", "bugs", "leaks")  # fmt: skip


class Outage:
    """A `tests.chaos.havoc.Trouble`: one long one."""

    def __init__(self, stage: Stage, _units: Sequence[str]) -> None:
        self._stage = stage
        self.counts: Counter[str] = Counter()

    async def rage(self) -> None:
        await asyncio.sleep(_BEFORE)
        await asyncio.to_thread(self._stage.broker.kill)
        await asyncio.sleep(_AWAY)
        await asyncio.to_thread(self._stage.broker.start)
        self.counts["broker_outages"] += 1
        await asyncio.sleep(_AFTER)

    def stop(self) -> None:
        """It ends by itself."""

    async def mend(self) -> None:
        await asyncio.to_thread(self._stage.broker.start)
        await asyncio.to_thread(self._stage.fleet.start)


@pytest.fixture(scope="module")
def report(
    rabbitmq: RabbitMQ, postgres: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Report:
    folder = tmp_path_factory.mktemp("spool")
    rabbitmq.start()
    postgres.start()
    settings = {**_SETTINGS, "BUDKAVLE_INGEST_SPOOL": str(folder / "spool.db")}
    return asyncio.run(
        play(OPTIONS, rabbitmq, postgres, folder, print, trouble=Outage, settings=settings)
    )


def test_nothing_is_lost_or_twice_while_the_broker_is_away(report: Report) -> None:
    """What follows from changes that come so late is for `test_chaos_short` to judge. One test for
    all: the tests of a module may be shared out among processes, and each would play it."""
    figures = report.figures
    wrong = {name: figures[name] for name in _ZERO if figures[name]}
    assert not wrong, "\n".join([str(wrong), *report.details()])
    assert figures["broker_outages"] == 1
    assert figures["accepted"] > 100
    assert figures["expected"] == figures["found"] > 50
