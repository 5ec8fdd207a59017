"""A long queue: what it costs one worker in memory, and how fast it is gone.

All of it lies in the filter's queue when the filter starts, as after a night without it. The
filter's own output lies in the fetcher's queue afterwards; nobody reads that here.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice

from shared.booking.messages import Engagement, Notification
from shared.relay import open_broker
from shared.relay.broker import Envelope, Outgoing
from shared.relay.topology import STAGES
from tests.benchmark.processes import resident_mib
from tests.benchmark.relay.depths import Depths
from tests.benchmark.relay.load import Booking
from tests.benchmark.relay.scenes import HEALTHY, SOURCES
from tests.benchmark.relay.world import Relay, Servers

STAGE = "filter"
_AT_ONCE = 500
_CONFIRM_SECONDS = 60
_LOOK_EVERY_SECONDS = 0.25
_MOST_SECONDS = 300
#: The share of the queue over which the rate at the begin and at the end is taken.
_PART = 0.2


@dataclass(frozen=True)
class Look:
    """How it stood `at` seconds after the worker had begun."""

    at: float
    left: int
    memory_mib: float


@dataclass(frozen=True)
class Drained:
    """`looks`: from the first to that which saw an empty queue."""

    count: int
    looks: Sequence[Look]

    @property
    def seconds(self) -> float:
        return self.looks[-1].at

    @property
    def peak_mib(self) -> float:
        return max(look.memory_mib for look in self.looks)

    @property
    def memory_at_begin_mib(self) -> float:
        """When the first tenth was gone: by then the worker holds what it ever holds."""
        return next(look.memory_mib for look in self.looks if look.left <= 0.9 * self.count)

    @property
    def rate_at_begin(self) -> float:
        return self._rate(self.count, (1 - _PART) * self.count)

    @property
    def rate_at_end(self) -> float:
        return self._rate(_PART * self.count, 0)

    def _rate(self, above: float, below: float) -> float:
        """Between the last look with `above` or more left and the first with `below` or less."""
        first = [look for look in self.looks if look.left >= above][-1]
        last = next(look for look in self.looks if look.left <= below)
        return (first.left - last.left) / (last.at - first.at)


def drain(servers: Servers, count: int) -> Drained:
    """`count` notifications of one engagement each."""
    with Relay(servers, SOURCES, workers=dict.fromkeys(STAGES, 0)) as relay:
        _fill(relay.broker_url, count)
        worker = relay.launch(STAGE)
        with Depths(relay.broker_url) as depths:
            looks = list(_watch(depths, worker.process.pid, count))
        return Drained(count, since_it_began(looks))


def since_it_began(looks: Sequence[Look]) -> Sequence[Look]:
    """From the last look that saw the whole queue, at 0 seconds: the worker has started by then."""
    begin = max(number for number, look in enumerate(looks) if look.left == looks[0].left)
    return [replace(look, at=round(look.at - looks[begin].at, 2)) for look in looks[begin:]]


def _watch(depths: Depths, pid: int, count: int) -> Iterator[Look]:
    started = time.perf_counter()
    left = count
    while left:
        at = time.perf_counter() - started
        assert at < _MOST_SECONDS, f"{left} of {count} are left after {_MOST_SECONDS} s"
        left = depths.of(STAGE)
        yield Look(at, left, round(resident_mib(pid), 1))
        time.sleep(_LOOK_EVERY_SECONDS)


def _fill(broker_url: str, count: int) -> None:
    broker = open_broker(broker_url)
    try:
        messages = map(_message, range(count))
        while batch := list(islice(messages, _AT_ONCE)):
            broker.publish(batch, timeout=_CONFIRM_SECONDS)
    finally:
        broker.close()


def _message(number: int) -> Outgoing:
    booking = Booking(number, HEALTHY[number % len(HEALTHY)])
    engagement = Engagement(
        deleted=False,
        patient=booking.patient,
        service_domain="riv:crm:scheduling",
        logical_address=booking.unit,
        booking_id=booking.booking_id,
        source_system=booking.source_system,
        most_recent_content=booking.starts,
    )
    message = Notification(
        notification_id=f"waits{number}", received_at=datetime.now(UTC), engagements=(engagement,)
    )
    return Outgoing(STAGE, Envelope(message.identity, message.encode()))
