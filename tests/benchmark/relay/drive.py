"""Loads a relay with notifications, and measures what came of them, when, and at what cost."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import text

from shared.relay.topology import STAGES
from tests.benchmark.processes import cpu_seconds, descendants, resident_mib
from tests.benchmark.relay.generator import Sent
from tests.benchmark.relay.load import Plan
from tests.benchmark.relay.sustained import Course, Moments
from tests.benchmark.relay.world import Relay
from tests.polling import eventually

_DONE_SECONDS = 120
_SERVERS = {"broker": "beam.smp", "database": "postgres"}
_OPEN = "('sending', 'pending')"

#: When each message was committed to the inbox. By patient, of which there is an index.
_ARRIVALS = text(
    "SELECT booking_id, extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM inbox_message"
    " WHERE patient = ANY(:patients)"
)
_FINISHED = text(f"SELECT count(*) FROM notice WHERE status NOT IN {_OPEN}")
#: When each notice got its latest status.
_NOTICES = text(
    "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM notice"
    f" WHERE status NOT IN {_OPEN} AND created_at >= :since"
)


class Sending:
    """A generator at work, in a process of its own. `gated`: it waits for full queues."""

    def __init__(self, relay: Relay, plan: Plan, *, gated: bool = False) -> None:
        words = [relay.url, plan.to_json(), *([relay.broker_url] if gated else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmark.relay.generator", *words],
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
    """As fast as the relay takes them, until every message and every notice is there."""
    relay.prepare(plan)
    cost, done_before = Cost(relay), finished_notices(relay)
    sent = Sending(relay, plan, gated=True).finish()
    wait_for_notices(relay, done_before + sent.count)
    return Course(
        sent.count,
        moments(relay, plan, sent),
        cost.per(sent.count),
        {stage: resident_mib(relay.pids[stage][0]) for stage in STAGES},
    )


def wait_for_notices(relay: Relay, count: int) -> None:
    """Until `count` notices have their end, and nothing is left in the queues."""
    eventually(lambda: finished_notices(relay) >= count, timeout=_DONE_SECONDS, every=0.5)
    eventually(relay.idle, timeout=_DONE_SECONDS, every=0.25)


def wait_for_messages(relay: Relay, plan: Plan) -> None:
    """Until each booking of `plan` has its message in the inbox."""
    eventually(lambda: len(arrivals(relay, plan)) == plan.count, timeout=_DONE_SECONDS, every=1)


def latencies(relay: Relay, plan: Plan, sent: Sent) -> list[float]:
    """Seconds from when each notification was due to when its message was in the inbox."""
    arrived = arrivals(relay, plan)
    return [
        arrived[booking.booking_id] - sent.started - position / plan.rate
        for position, booking in enumerate(plan.bookings())
    ]


def moments(relay: Relay, plan: Plan, sent: Sent) -> Moments:
    """Of what was sent, in seconds from the first request."""
    arrived = arrivals(relay, replace(plan, count=sent.count)).values()
    since = datetime.fromtimestamp(sent.started, UTC)
    with relay.database.begin() as connection:
        noticed = [float(at) for (at,) in connection.execute(_NOTICES, {"since": since})]
    return Moments(
        sorted(sent.answered_at), _offsets(arrived, sent.started), _offsets(noticed, sent.started)
    )


def finished_notices(relay: Relay) -> int:
    with relay.database.begin() as connection:
        return int(connection.execute(_FINISHED).scalar_one())


def arrivals(relay: Relay, plan: Plan) -> dict[str, float]:
    """When each message came, by the wall clock; what has not come yet is left out."""
    patients = [booking.patient for booking in plan.bookings()]
    with relay.database.begin() as connection:
        rows = connection.execute(_ARRIVALS, {"patients": patients}).all()
    return {booking: float(arrived) for booking, arrived in rows}


class Cost:
    """The processor time that a relay and its servers take from now on.

    Servers in containers are not seen.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._before = self._total()

    def per(self, count: int) -> Mapping[str, float]:
        """Milliseconds for each of `count` notifications: each stage, sandbox and server."""
        spent = {name: now - self._before[name] for name, now in self._total().items()}
        return {name: seconds / count * 1000 for name, seconds in spent.items()}

    def ours_per(self, count: int) -> float:
        """Milliseconds of all our stages together."""
        each = self.per(count)
        return sum(each[stage] for stage in STAGES)

    def _total(self) -> dict[str, float]:
        ours = {name: cpu_seconds(pids) for name, pids in self._relay.pids.items()}
        servers = {
            name: cpu_seconds(descendants(os.getpid(), program))
            for name, program in _SERVERS.items()
        }
        return {**ours, **servers}


def _offsets(moments: Iterable[float], started: float) -> list[float]:
    return sorted(moment - started for moment in moments)
