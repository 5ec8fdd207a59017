"""Loads a relay with notifications and tells what came of them, when, and at what cost."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import text

from shared.relay.topology import STAGES
from tests.benchmark.processes import cpu_seconds, descendants, resident_mib
from tests.benchmark.relay.generator import Sent
from tests.benchmark.relay.load import Plan
from tests.benchmark.relay.world import Relay
from tests.polling import eventually

_DONE_SECONDS = 300
_SERVERS = {"broker": "beam.smp", "database": "postgres"}

#: When each message was committed to the inbox, and when the last notice got its latest status.
_ARRIVALS = text(
    "SELECT booking_id, extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM inbox_message"
    " WHERE booking_id = ANY(:bookings)"
)
_SETTLED = text(
    "SELECT count(*), extract(epoch FROM max(pg_xact_commit_timestamp(xmin))) FROM notice"
    " WHERE status NOT IN ('sending', 'pending')"
)


@dataclass(frozen=True)
class Course:
    """One load from its first request to its last notice."""

    count: int
    seconds: float
    cpu_ms: Mapping[str, float]  # per notification: each stage, sandbox, broker, database
    memory_mib: Mapping[str, float]  # one process of each stage, afterwards

    @property
    def per_second(self) -> float:
        return self.count / self.seconds

    @property
    def our_cpu_ms(self) -> float:
        return sum(self.cpu_ms[stage] for stage in STAGES)


class Sending:
    """A generator at work, in a process of its own."""

    def __init__(self, relay: Relay, plan: Plan) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmark.relay.generator", relay.url, plan.to_json()],
            stdout=subprocess.PIPE,
        )

    def finish(self) -> Sent:
        """Raises `CalledProcessError` when a notification was not taken."""
        output, _ = self._process.communicate()
        if self._process.returncode:
            raise subprocess.CalledProcessError(self._process.returncode, "generator")
        return Sent(**json.loads(output))

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate()


@contextmanager
def sending(relay: Relay, plan: Plan, *, ahead: float = 0) -> Iterator[None]:
    """Send for as long as the context lasts, and for `ahead` seconds before it begins."""
    generator = Sending(relay, plan)
    time.sleep(ahead)
    try:
        yield
    finally:
        generator.stop()


def run(relay: Relay, plan: Plan) -> Course:
    """As fast as it goes, until every message and every notice is there."""
    relay.prepare(plan)
    (done_before, _), cpu_before = acknowledged(relay), _cpu(relay)
    sent = Sending(relay, plan).finish()
    wait_for_notices(relay, done_before + plan.count)
    spent = {name: total - cpu_before[name] for name, total in _cpu(relay).items()}
    return Course(
        plan.count,
        acknowledged(relay)[1] - sent.started,
        {name: seconds / plan.count * 1000 for name, seconds in spent.items()},
        {stage: resident_mib(relay.pids[stage][0]) for stage in STAGES},
    )


def wait_for_notices(relay: Relay, count: int) -> None:
    """Until `count` notices are acknowledged, and nothing is left in the queues."""
    eventually(lambda: acknowledged(relay)[0] >= count, timeout=_DONE_SECONDS, every=0.25)
    eventually(relay.idle, timeout=_DONE_SECONDS, every=0.25)


def wait_for_messages(relay: Relay, plan: Plan) -> None:
    """Until each booking of `plan` has its message in the inbox."""
    eventually(lambda: len(_arrivals(relay, plan)) == plan.count, timeout=_DONE_SECONDS, every=1)


def latencies(relay: Relay, plan: Plan, sent: Sent) -> list[float]:
    """Seconds from when each notification was due to when its message was in the inbox."""
    arrivals = _arrivals(relay, plan)
    return [
        arrivals[booking.booking_id] - sent.started - position / plan.rate
        for position, booking in enumerate(plan.bookings())
    ]


def acknowledged(relay: Relay) -> tuple[int, float]:
    """How many notices are acknowledged, and when the last of them was."""
    with relay.database.begin() as connection:
        count, last = connection.execute(_SETTLED).one()
    return count, float(last or 0)


def _arrivals(relay: Relay, plan: Plan) -> dict[str, float]:
    """When each message came, by the wall clock; what has not come yet is left out."""
    wanted = [booking.booking_id for booking in plan.bookings()]
    with relay.database.begin() as connection:
        rows = connection.execute(_ARRIVALS, {"bookings": wanted}).all()
    return {booking: float(arrived) for booking, arrived in rows}


def _cpu(relay: Relay) -> dict[str, float]:
    """Processor seconds so far. Servers in containers are not seen."""
    ours = {name: cpu_seconds(pids) for name, pids in relay.pids.items()}
    servers = {
        name: cpu_seconds(descendants(os.getpid(), program)) for name, program in _SERVERS.items()
    }
    return {**ours, **servers}
