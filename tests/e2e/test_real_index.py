"""The demo's story and a load with kills, with the real engagement index in the sandbox's place.

Only on demand: `make real-index EI_JAR=…`, with a JDK and the index's own jar.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.plan import Options
from tests.chaos.play import play
from tests.chaos.stage import ADDRESS
from tests.real_index import RealIndex, real_index
from tests.services import PostgreSQL, RabbitMQ

_JAR = os.environ.get("BUDKAVLE_EI_JAR", "")
OPTIONS = Options(count=1000, sources=12, seed=20, seconds=90)

pytestmark = [
    pytest.mark.skipif(not _JAR, reason="only on demand"),
    pytest.mark.timeout(900),
]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[RealIndex]:
    with real_index(Path(_JAR).resolve(), ADDRESS, tmp_path / "index.log") as running:
        yield running


def test_the_demo_s_story_comes_true(index: RealIndex) -> None:
    told = subprocess.run(
        [
            *(sys.executable, "-m", "console", "demo", "--index", index.url),
            *("--index-hsa-id", index.owner, "--ingest", index.ingest_bind),
            *("--logical-address", ADDRESS),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    figures = index.figures()
    assert figures["requests"] > 0
    assert (figures["refused"], figures["index_dead"]) == (0, 0)


def test_nothing_is_lost_or_twice_or_false_whatever_dies(
    index: RealIndex, rabbitmq: RabbitMQ, postgres: PostgreSQL, tmp_path: Path
) -> None:
    rabbitmq.start()
    postgres.start()
    playing = play(
        OPTIONS, rabbitmq, postgres, tmp_path, print, index=index, ingest_bind=index.ingest_bind
    )
    report = asyncio.run(playing)
    assert not report.wrongs, "\n".join([*report.wrongs, *report.details()])
    figures = report.figures
    assert 0 < figures["requests"] < figures["accepted"]  # the index merged some
    assert figures["kills"] > 0
