"""The relay of a pilot: queues and database in SQLite files, no server beside it."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from shared.relay.topology import STAGES
from tests.benchmark.processes import resident_mib
from tests.benchmark.relay.drive import Cost, Sending, finished_notices
from tests.benchmark.relay.load import Plan
from tests.benchmark.relay.scenes import HEALTHY, SOURCES
from tests.benchmark.relay.world import Relay
from tests.polling import eventually

_DONE_SECONDS = 300
_WARM_UP = Plan(100, first=90_000_000, sources=HEALTHY)


@dataclass(frozen=True)
class Pilot:
    """What `count` notifications, sent at once, took until their last notice had its end."""

    count: int
    seconds: float
    our_cpu_ms: float  # per notification
    memory_mib: Mapping[str, float]  # of each stage, afterwards
    kilobytes: float  # on disk, per notification, queues and database

    @property
    def per_second(self) -> float:
        return self.count / self.seconds


class Files:
    """In the place of the two servers: a folder, gone in the end."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="budkavle-pilot-")
        return self

    def __exit__(self, *_error: object) -> None:
        self._folder.cleanup()

    def broker(self) -> str:
        return self._file("queues")

    def database(self) -> str:
        return self._file("database")

    def give_back(self, *_urls: str) -> None:
        """Nothing: all files go in the end."""

    def bytes(self) -> int:
        return sum(file.stat().st_size for file in Path(self._folder.name).iterdir())

    def _file(self, name: str) -> str:
        return f"sqlite:///{self._folder.name}/{name}.sqlite3"


def carry(count: int) -> Pilot:
    with Files() as files, Relay(files, SOURCES) as relay:
        _send(relay, _WARM_UP)
        plan = Plan(count, sources=HEALTHY)
        cost, bytes_before = Cost(relay), files.bytes()
        seconds = _send(relay, plan)
        return Pilot(
            count,
            seconds,
            cost.ours_per(count),
            {stage: resident_mib(relay.pids[stage][0]) for stage in STAGES},
            (files.bytes() - bytes_before) / count / 1000,
        )


def _send(relay: Relay, plan: Plan) -> float:
    """Seconds from the first request to the last notice."""
    relay.prepare(plan)
    done_before, began = finished_notices(relay), time.monotonic()
    Sending(relay, plan).finish()
    wanted = done_before + plan.count
    eventually(lambda: finished_notices(relay) >= wanted, timeout=_DONE_SECONDS, every=0.5)
    return time.monotonic() - began
