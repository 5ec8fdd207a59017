"""What a stage does not import on PostgreSQL and RabbitMQ: each takes some MiB of a process."""

import subprocess
import sys

import pytest

#: Of the process of each stage. Alembic and libcurl are imported where they are used.
_UNUSED = {
    "ingest": {"alembic", "pycurl", "sqlalchemy", "rich", "pygments"},
    "filter": {"alembic", "mako", "rich", "pygments", "pycurl"},
    "fetcher": {"alembic", "mako", "rich", "pygments", "zeep", "requests", "httpx"},
    "composer": {"alembic", "mako", "rich", "pygments", "pycurl"},
    "notifier": {"alembic", "mako", "rich", "pygments", "phonenumbers"},
}


@pytest.mark.parametrize("stage", _UNUSED)
def test_a_stage_imports_nothing_it_does_not_use(stage: str) -> None:
    program = (
        f"import sys, {stage}.__main__, shared.relay.rabbitmq.broker; print(*sorted(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not _UNUSED[stage] & set(found.stdout.split())
