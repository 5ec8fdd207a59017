"""On what it was measured: without that, a figure says nothing."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg

from tests.benchmark.relay.world import Servers

_LIBRARIES = (
    "pika", "zeep", "sqlalchemy", "psycopg", "pydantic", "uvicorn",
    "aio-pika", "faststream", "dramatiq", "celery",
)  # fmt: skip


def describe(servers: Servers) -> dict[str, str]:
    """Machine, versions and date, as they go into the results."""
    return {
        "date": _date(),
        "commit": commit(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "load": f"{os.getloadavg()[0]:.1f} when the run began",
        "python": platform.python_version(),
        "rabbitmq": servers.rabbitmq.ctl("version").strip(),
        "postgresql": _postgresql_version(servers),
        "libraries": ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
    }


def moment() -> dict[str, str]:
    """Of one part of a run: when it began, at which commit, under which load."""
    return {"date": _date(), "commit": commit(), "load": f"{os.getloadavg()[0]:.1f}"}


def _date() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _postgresql_version(servers: Servers) -> str:
    url = servers.postgresql.url.replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        number, rest = divmod(connection.info.server_version, 10000)
    return f"{number}.{rest}"


def commit() -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "unknown"
