"""What is measured of the whole relay; each scene on a relay of its own, warmed up first."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from shared.relay.topology import READING_STAGES
from tests.benchmark.percentiles import Percentiles, percentiles
from tests.benchmark.relay.drive import (
    Cost,
    Sending,
    finished_notices,
    latencies,
    run,
    sending,
    wait_for_messages,
    wait_for_notices,
)
from tests.benchmark.relay.load import Booking, Plan
from tests.benchmark.relay.product import OURS, Product
from tests.benchmark.relay.sustained import Course
from tests.benchmark.relay.world import Limits, Relay, Servers

HEALTHY = tuple(range(40))
#: Ten times what any of them gets in these loads, so that no rate limit is what is measured.
_PLENTY = Limits(calls_per_second=100, calls_in_flight=100)
_HANGING, _FLOODING = 100, 101
#: As the register has it for a source of which nobody said anything else.
_DEFAULT = Limits(calls_per_second=5, calls_in_flight=5)
SOURCES = dict.fromkeys(HEALTHY, _PLENTY) | dict.fromkeys((_HANGING, _FLOODING), _DEFAULT)

#: More notifications a second than any relay takes on a machine like this: so many are prepared.
_MOST_PER_SECOND = 800
#: What happens on one relay is told apart by the numbers of the bookings.
_WARM_UP = Plan(400, first=90_000_000)
_ALONE, _DISTURBED, _TO_HANGING, _FLOOD = 20_000_000, 30_000_000, 40_000_000, 50_000_000

#: The flood: engagements in a request, and requests a second.
FLOOD_PER_REQUEST, FLOOD_RATE = 20, 5
#: How long the trouble goes on before the measured notifications begin, in seconds.
_TROUBLE_AHEAD = 5
_ROUNDS = 3


@dataclass(frozen=True)
class Paced:
    """At an even rate: times from the request to the inbox, and our CPU per notification in ms."""

    times: Percentiles
    our_cpu_ms: float


@dataclass(frozen=True)
class Neighbours:
    """How healthy sources fare alone, and beside one that hangs and one that floods."""

    alone: Percentiles
    disturbed: Percentiles


def throughput(
    servers: Servers,
    seconds: float,
    *,
    workers: Mapping[str, int] | None = None,
    source_seconds: float = 0,
    product: Product = OURS,
) -> Course:
    """As much as it takes for `seconds`; the sources answer after `source_seconds`."""
    with warm_relay(servers, workers=workers, product=product) as relay:
        if source_seconds:
            slow = {"kind": "latency", "latency_seconds": source_seconds}
            for source in HEALTHY:
                relay.control("POST", f"/faults/{Booking(0, source).unit}", slow)
        count = round(_MOST_PER_SECOND * seconds)
        return run(relay, Plan(count, sources=HEALTHY, seconds=seconds))


def latency(servers: Servers, *, rate: float, seconds: float) -> Paced:
    """From the request to the inbox, at an even `rate` a second, whatever the answers."""
    with warm_relay(servers) as relay:
        plan = Plan(round(rate * seconds), sources=HEALTHY, rate=rate)
        times, our_cpu_ms = paced_with_cost(relay, plan)
        return Paced(percentiles(times), our_cpu_ms)


def neighbours(servers: Servers, *, rate: float, seconds: float) -> Neighbours:
    """Several times over, on a new relay, first alone and then disturbed: a machine's moods last
    for half a minute. The healthy sources get the same each time."""
    count = round(rate * seconds)
    alone: list[float] = []
    disturbed: list[float] = []
    for _ in range(_ROUNDS):
        with warm_relay(servers) as relay:
            alone += paced(relay, Plan(count, _ALONE, HEALTHY, rate=rate))
            with _trouble(relay, rate=rate, seconds=seconds):
                disturbed += paced(relay, Plan(count, _DISTURBED, HEALTHY, rate=rate))
    return Neighbours(percentiles(alone), percentiles(disturbed))


def answer_times(servers: Servers, *, engagements: int, requests: int) -> Percentiles:
    """Of ingest alone, one request after the other."""
    nobody_reads = dict.fromkeys(READING_STAGES, 0)
    plan = Plan(engagements * requests, per_request=engagements, connections=1)
    with Relay(servers, {}, workers=nobody_reads) as relay:
        Sending(relay, Plan(20, connections=1)).finish()
        return percentiles(Sending(relay, plan).finish().answers)


@contextmanager
def warm_relay(
    servers: Servers,
    *,
    workers: Mapping[str, int] | None = None,
    product: Product = OURS,
    database_url: str = "",
) -> Iterator[Relay]:
    """Connections are open, templates compiled, pools filled."""
    with Relay(
        servers, SOURCES, workers=workers, product=product, database_url=database_url
    ) as relay:
        run(relay, _WARM_UP)
        yield relay


def paced(relay: Relay, plan: Plan) -> list[float]:
    """Seconds from each request to its message in the inbox."""
    relay.prepare(plan)
    return _send_evenly(relay, plan)


def paced_with_cost(relay: Relay, plan: Plan) -> tuple[list[float], float]:
    """The same, and our CPU per notification in milliseconds, all notices included."""
    relay.prepare(plan)
    cost, done_before = Cost(relay), finished_notices(relay)
    times = _send_evenly(relay, plan)
    wait_for_notices(relay, done_before + plan.count)
    return times, cost.ours_per(plan.count)


def _send_evenly(relay: Relay, plan: Plan) -> list[float]:
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
