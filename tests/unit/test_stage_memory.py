"""What a stage does not import on PostgreSQL and RabbitMQ, where each takes some MiB of a process,
and what it does not look through for garbage.
"""

import subprocess
import sys

import pytest

#: Of the process of any stage. Alembic and SQLite are imported where they are used.
_UNUSED = {"alembic", "mako", "rich", "pygments", "greenlet"}
_SQLITE = {"sqlite3"}
_UNUSED_BY = {
    "ingest": {"pycurl", "sqlalchemy"},  # and SQLite is its spool
    "filter": {"pycurl", "lxml"} | _SQLITE,
    "fetcher": {"zeep", "requests", "httpx"} | _SQLITE,
    "composer": {"pycurl"} | _SQLITE,
    "notifier": {"phonenumbers", "pycurl", "starlette"} | _SQLITE,
}


@pytest.mark.parametrize("stage", _UNUSED_BY)
def test_a_stage_imports_nothing_it_does_not_use(stage: str) -> None:
    program = (
        f"import sys, {stage}.__main__, shared.relay.rabbitmq.broker; print(*sorted(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not (_UNUSED | _UNUSED_BY[stage]) & set(found.stdout.split())


def test_garbage_is_not_looked_for_among_what_was_imported() -> None:
    program = """
import gc
from shared.stage.process import start
from shared.stage.settings import CommonSettings

def run(settings):
    print(gc.get_freeze_count(), gc.get_threshold()[0])
    return 0

start("test", CommonSettings, run)
"""
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    frozen, between = map(int, found.stdout.split())
    assert frozen > 10_000
    assert between > 700
