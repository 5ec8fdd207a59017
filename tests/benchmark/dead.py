"""A hundred thousand dead letters on RabbitMQ: how long the operator's commands take, and how much.

Run as the operator runs them, each in a process of its own.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.relay import open_broker
from shared.relay.broker import Outgoing
from shared.store.migrate import ensure_sqlite
from tests.dead_letters import change, letter
from tests.services import RabbitMQ

_AT_ONCE = 500
_CONFIRM_SECONDS = 60


@dataclass(frozen=True)
class Command:
    """What one command took: seconds from start to end, and memory at its highest."""

    seconds: float
    peak_mib: float


def commands(rabbitmq: RabbitMQ, count: int) -> dict[str, Command]:
    """`budkavle dead` beside `count` dead letters of the fetcher."""
    url = rabbitmq.fresh_vhost()
    _fill(url, count)
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{Path(folder) / 'budkavle.sqlite3'}"
        ensure_sqlite(database)
        settings = {"BUDKAVLE_BROKER_URL": url, "BUDKAVLE_DATABASE_URL": database}
        return {
            "list": _run(settings, "dead", "list"),
            "groups": _run(settings, "dead", "groups"),
            "show": _run(settings, "dead", "show", "letter0"),
            "list --reason": _run(settings, "dead", "list", "--reason", "source_fault"),
            "export": _run(settings, "dead", "export", "--to", str(Path(folder) / "letters.jsonl")),
            "replay": _run(settings, "dead", "replay", "fetcher", "--follow", "0"),
        }


def _fill(url: str, count: int) -> None:
    broker = open_broker(url)
    try:
        broker.declare()
        for batch in _batches(count):
            broker.publish(batch, timeout=_CONFIRM_SECONDS)
    finally:
        broker.close()


def _batches(count: int) -> Iterator[list[Outgoing]]:
    body = change().encode()
    for first in range(0, count, _AT_ONCE):
        yield [
            Outgoing("fetcher.dead", letter(f"letter{number}", body))
            for number in range(first, min(first + _AT_ONCE, count))
        ]


def _run(settings: dict[str, str], *arguments: str) -> Command:
    """Raises `CalledProcessError`."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "console", *arguments]
    with subprocess.Popen(
        command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Command(time.perf_counter() - started, usage.ru_maxrss / 1024)
