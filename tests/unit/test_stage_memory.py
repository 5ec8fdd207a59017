"""What a stage does not import on PostgreSQL and RabbitMQ: each takes some MiB of a process."""

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
