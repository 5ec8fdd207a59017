"""What is measured of the whole relay; each scene on a relay of its own, warmed up first."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from shared.relay.topology import READING_STAGES
from tests.benchmark.relay.drive import Course, Sending, latencies, run, sending, wait_for_messages
from tests.benchmark.relay.load import Booking, Plan
from tests.benchmark.relay.world import Limits, Relay, Servers

HEALTHY = tuple(range(40))
#: Ten times what any of them gets in these loads, so that no rate limit is what is measured.
_PLENTY = Limits(calls_per_second=100, calls_in_flight=100)
_HANGING, _FLOODING = 100, 101
#: As the register has it for a source of which nobody said anything else.
_DEFAULT = Limits(calls_per_second=5, calls_in_flight=5)

#: What happens on one relay is told apart by the numbers of the bookings.
_WARM_UP = Plan(400, first=90_000_000)
_ALONE, _DISTURBED, _TO_HANGING, _FLOOD = 20_000_000, 30_000_000, 40_000_000, 50_000_000

#: The flood: engagements in a request, and requests a second.
FLOOD_PER_REQUEST, FLOOD_RATE = 20, 5
#: How long the trouble goes on before the measured notifications begin, in seconds.
_TROUBLE_AHEAD = 5
_ROUNDS = 3


@dataclass(frozen=True)
class Percentiles:
    """In milliseconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Neighbours:
    """How healthy sources fare alone, and beside one that hangs and one that floods."""

    alone: Percentiles
    disturbed: Percentiles


def throughput(
    servers: Servers,
    count: int,
    *,
    workers: Mapping[str, int] | None = None,
    source_seconds: float = 0,
) -> Course:
    """`count` notifications as fast as they go; the sources answer after `source_seconds`."""
    with _warm_relay(servers, workers) as relay:
        if source_seconds:
            slow = {"kind": "latency", "latency_seconds": source_seconds}
            for source in HEALTHY:
                relay.control("POST", f"/faults/{Booking(0, source).unit}", slow)
        return run(relay, Plan(count, sources=HEALTHY))


def latency(servers: Servers, *, rate: float, seconds: float) -> Percentiles:
    """From the request to the inbox, at an even `rate` a second, whatever the answers."""
    with _warm_relay(servers) as relay:
        return percentiles(_paced(relay, Plan(round(rate * seconds), sources=HEALTHY, rate=rate)))


def neighbours(servers: Servers, *, rate: float, seconds: float) -> Neighbours:
    """Several times over, on a new relay, first alone and then disturbed: a machine's moods last
    for half a minute. The healthy sources get the same each time."""
    count = round(rate * seconds)
    alone: list[float] = []
    disturbed: list[float] = []
    for _ in range(_ROUNDS):
        with _warm_relay(servers) as relay:
            alone += _paced(relay, Plan(count, _ALONE, HEALTHY, rate=rate))
            with _trouble(relay, rate=rate, seconds=seconds):
                disturbed += _paced(relay, Plan(count, _DISTURBED, HEALTHY, rate=rate))
    return Neighbours(percentiles(alone), percentiles(disturbed))


def answer_times(servers: Servers, *, engagements: int, requests: int) -> Percentiles:
    """Of ingest alone, one request after the other."""
    nobody_reads = dict.fromkeys(READING_STAGES, 0)
    plan = Plan(engagements * requests, per_request=engagements, connections=1)
    with Relay(servers, {}, workers=nobody_reads) as relay:
        Sending(relay, Plan(20, connections=1)).finish()
        return percentiles(Sending(relay, plan).finish().answers)


def percentiles(seconds: Sequence[float]) -> Percentiles:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return Percentiles(*(cuts[percent - 1] * 1000 for percent in (50, 95, 99)))


@contextmanager
def _warm_relay(servers: Servers, workers: Mapping[str, int] | None = None) -> Iterator[Relay]:
    """Connections are open, templates compiled, pools filled."""
    sources = dict.fromkeys(HEALTHY, _PLENTY) | dict.fromkeys((_HANGING, _FLOODING), _DEFAULT)
    with Relay(servers, sources, workers=workers) as relay:
        run(relay, _WARM_UP)
        yield relay


def _paced(relay: Relay, plan: Plan) -> list[float]:
    """Seconds from each request to its message in the inbox."""
    relay.prepare(plan)
    sent = Sending(relay, plan).finish()
    wait_for_messages(relay, plan)
    return latencies(relay, plan, sent)


@contextmanager
def _trouble(relay: Relay, *, rate: float, seconds: float) -> Iterator[None]:
    """One source hangs and gets as much as any healthy one; another floods us."""
    lasts = seconds + 4 * _TROUBLE_AHEAD
    share = rate / len(HEALTHY)
    hanging = Plan(round(share * lasts), _TO_HANGING, (_HANGING,), rate=share, connections=2)
    flood = Plan(
        round(FLOOD_PER_REQUEST * FLOOD_RATE * lasts),
        _FLOOD,
        (_FLOODING,),
        per_request=FLOOD_PER_REQUEST,
        rate=FLOOD_RATE,
        connections=2,
    )
    unit = f"/faults/{next(hanging.bookings()).unit}"
    relay.prepare(hanging)
    relay.prepare(flood)
    relay.control("POST", unit, {"kind": "hang"})
    with sending(relay, hanging), sending(relay, flood, ahead=_TROUBLE_AHEAD):
        yield
    relay.control("DELETE", unit)
