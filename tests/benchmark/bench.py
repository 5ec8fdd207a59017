"""The parts of a benchmark run, and the results as `build/bench.json` holds them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from shared.relay.topology import STAGES
from tests.benchmark import sms
from tests.benchmark.dead import commands
from tests.benchmark.hop.race import race
from tests.benchmark.percentiles import Percentiles
from tests.benchmark.relay import backlog, pilot
from tests.benchmark.relay.full import empty_and_full
from tests.benchmark.relay.scenes import Paced, answer_times, latency, neighbours, throughput
from tests.benchmark.relay.sustained import Course
from tests.benchmark.relay.world import Servers

Results = dict[str, Any]

#: Each part and its keys in the results.
PARTS: Mapping[str, Sequence[str]] = {
    "hop": ("hop", "hop_cpu_us"),
    "ingest": ("ingest_ms",),
    "relay": ("relay",),
    "latency": ("latency",),
    "neighbours": ("neighbours",),
    "full": ("full",),
    "backlog": ("backlog",),
    "sms": ("sms",),
    "scaling": ("scaling", "scaling_slow_sources"),
    "dead": ("dead",),
    "pilot": ("pilot",),
}

#: Notifications a second of the whole country at its peak: every even load is this.
NATIONAL_PEAK = 70.0
#: The stage that costs most, and the one that waits for others: of it there are several.
SCALED_STAGE = "fetcher"
SLOW_SOURCE_SECONDS = 0.5
_SEVERAL, _WORKERS_OF_SLOW = (4,), (1, 4)
#: Of the load of the whole relay: scaling is measured for less long.
_SCALING_SHARE = 2 / 3
_ENGAGEMENTS = {1: 200, 50: 50, 1000: 10}
#: The latency alone is measured for so many even loads.
_LATENCY_LOADS = 3


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    hops: int
    repetitions: int
    load_seconds: float  # of the load that is as much as the relay takes
    seconds: float  # of each even load
    rows: int  # inbox messages and watermarks of the full database
    backlog: int
    sms: int
    dead_letters: int
    pilot: int


class Bench:
    """Measures what it is asked for; what one part needs of another is measured once."""

    def __init__(
        self,
        servers: Servers,
        scale: Scale,
        contenders: Sequence[str],
        log: Callable[[str], None],
    ) -> None:
        self._servers = servers
        self._scale = scale
        self._contenders = contenders
        self._log = log

    def hop(self) -> Results:
        standings = race(
            self._servers.rabbitmq,
            self._contenders,
            hops=self._scale.hops,
            repetitions=self._scale.repetitions,
            log=self._log,
        )
        return {
            "hop": {name: one.per_second for name, one in standings.items()},
            "hop_cpu_us": {name: one.cpu_us for name, one in standings.items()},
        }

    def ingest(self) -> Results:
        """Answer times, and the official limit (docs/domain.md, "Answers and re-sends")."""
        answers = {}
        for engagements, requests in _ENGAGEMENTS.items():
            times = answer_times(self._servers, engagements=engagements, requests=requests)
            answers[str(engagements)] = {**times.named(), "limit": 100 + 20 * engagements}
            self._log(f"ingest, {engagements} engagements: {times.p50:.1f} ms")
        return {"ingest_ms": answers}

    def relay(self) -> Results:
        return {"relay": relay_figures(self._course)}

    def latency(self) -> Results:
        seconds = _LATENCY_LOADS * self._scale.seconds
        paced = latency(self._servers, rate=NATIONAL_PEAK, seconds=seconds)
        self._log(f"latency at {NATIONAL_PEAK:.0f}/s: p99 {paced.times.p99:.0f} ms")
        return {"latency": {**_paced(paced), "rate": NATIONAL_PEAK}}

    def neighbours(self) -> Results:
        both = neighbours(self._servers, rate=NATIONAL_PEAK, seconds=self._scale.seconds)
        alone, disturbed = both.alone.p95, both.disturbed.p95
        self._log(f"neighbours: p95 {alone:.0f} ms alone, {disturbed:.0f} ms disturbed")
        return {
            "neighbours": {
                "alone_p95": alone,
                "disturbed_p95": disturbed,
                "alone": _times(both.alone),
                "disturbed": _times(both.disturbed),
                "rate": NATIONAL_PEAK,
            }
        }

    def full(self) -> Results:
        both = empty_and_full(
            self._servers, rows=self._scale.rows, rate=NATIONAL_PEAK, seconds=self._scale.seconds
        )
        p99 = both.empty.times.p99, both.full.times.p99
        self._log(f"database empty and full: p99 {p99[0]:.0f} and {p99[1]:.0f} ms")
        return {
            "full": {
                "empty": _paced(both.empty),
                "full": _paced(both.full),
                "rows": self._scale.rows,
                "rate": NATIONAL_PEAK,
            }
        }

    def backlog(self) -> Results:
        drained = backlog.drain(self._servers, self._scale.backlog)
        self._log(f"backlog: {drained.seconds:.0f} s, {drained.peak_mib:.0f} MiB")
        return {
            "backlog": {
                "stage": backlog.STAGE,
                "count": drained.count,
                "seconds": drained.seconds,
                "memory_at_begin_mib": drained.memory_at_begin_mib,
                "peak_mib": drained.peak_mib,
                "rate_at_begin": drained.rate_at_begin,
                "rate_at_end": drained.rate_at_end,
                "looks": [[look.at, look.left, look.memory_mib] for look in drained.looks],
            }
        }

    def sms(self) -> Results:
        found = sms.over_tls(self._scale.sms)
        for name, one in found.items():
            self._log(f"SMS over TLS, {name} connections: {one.per_second:.0f}/s")
        return {"sms": {name: asdict(one) for name, one in found.items()}}

    def scaling(self) -> Results:
        """With sources that answer at once, which the processor bounds; and with slow ones."""
        return {
            "scaling": {"1": self._course.per_second, **self._scaled(_SEVERAL, 0)},
            "scaling_slow_sources": self._scaled(_WORKERS_OF_SLOW, SLOW_SOURCE_SECONDS),
        }

    def _scaled(self, numbers: Sequence[int], source_seconds: float) -> dict[str, float]:
        found = {}
        for workers in numbers:
            course = throughput(
                self._servers,
                _SCALING_SHARE * self._scale.load_seconds,
                workers={SCALED_STAGE: workers},
                source_seconds=source_seconds,
            )
            found[str(workers)] = course.per_second
            self._log(
                f"{workers} of {SCALED_STAGE}, sources answer after {source_seconds} s:"
                f" {course.per_second:.0f} notifications/s"
            )
        return found

    def dead(self) -> Results:
        found = commands(self._servers.rabbitmq, self._scale.dead_letters)
        for name, one in found.items():
            self._log(f"budkavle dead {name}: {one.seconds:.1f} s, {one.peak_mib:.0f} MiB")
        return {
            "dead": {
                "count": self._scale.dead_letters,
                "commands": {name: asdict(one) for name, one in found.items()},
            }
        }

    def pilot(self) -> Results:
        found = pilot.carry(self._scale.pilot)
        self._log(f"pilot, on SQLite: {found.per_second:.0f} notifications/s")
        return {"pilot": {**asdict(found), "per_second": found.per_second}}

    @cached_property
    def _course(self) -> Course:
        course = throughput(self._servers, self._scale.load_seconds)
        self._log(
            f"relay: {course.per_second:.0f} notifications/s at {course.our_cpu_ms:.2f} ms CPU"
        )
        return course


def relay_figures(course: Course) -> Results:
    """`per_second`: the sustained rate (`relay.sustained`); `lap_per_second`: waits included."""
    return {
        "per_second": course.per_second,
        "rates": dict(course.moments.rates),
        "lap_per_second": course.lap_per_second,
        "tail_seconds": course.moments.tail_seconds,
        "cpu_ms": {stage: course.cpu_ms[stage] for stage in STAGES},
        "our_cpu_ms": course.our_cpu_ms,
        "cpu_ms_around": {name: ms for name, ms in course.cpu_ms.items() if name not in STAGES},
        "memory_mib": dict(course.memory_mib),
        "count": course.count,
        "seconds": course.moments.requests[-1],
        "timeline": {name: list(line) for name, line in course.moments.timeline().items()},
    }


def _times(times: Percentiles) -> Results:
    return {**times.named(), "curve": list(times.curve)}


def _paced(paced: Paced) -> Results:
    return {**_times(paced.times), "our_cpu_ms": paced.our_cpu_ms}
