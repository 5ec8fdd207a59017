"""The parts of a benchmark run, and the results as `build/bench.json` holds them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from shared.relay.topology import STAGES
from tests.benchmark.dead import commands
from tests.benchmark.hop.race import race
from tests.benchmark.relay.drive import Course
from tests.benchmark.relay.scenes import answer_times, latency, neighbours, throughput
from tests.benchmark.relay.world import Servers

Results = dict[str, Any]

#: The stage that costs most, and the one that waits for others: of it there are 1, 2 and 4.
SCALED_STAGE = "fetcher"
SLOW_SOURCE_SECONDS = 0.5
_WORKERS = (1, 2, 4)
_ENGAGEMENTS = {1: 200, 50: 50, 1000: 10}


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    hops: int
    repetitions: int
    notifications: int
    seconds: float  # of each even load
    dead_letters: int


class Bench:
    """Measures what it is asked for; what one part needs of another is measured once."""

    def __init__(
        self,
        servers: Servers,
        scale: Scale,
        contenders: Sequence[str],
        tell: Callable[[str], None],
    ) -> None:
        self._servers = servers
        self._scale = scale
        self._contenders = contenders
        self._tell = tell

    def hop(self) -> Results:
        standings = race(
            self._servers.rabbitmq,
            self._contenders,
            hops=self._scale.hops,
            repetitions=self._scale.repetitions,
            tell=self._tell,
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
            answers[str(engagements)] = {**asdict(times), "limit": 100 + 20 * engagements}
            self._tell(f"ingest, {engagements} engagements: {times.p50:.1f} ms")
        return {"ingest_ms": answers}

    def relay(self) -> Results:
        course = self._course
        around = {name: ms for name, ms in course.cpu_ms.items() if name not in STAGES}
        return {
            "relay": {
                "per_second": course.per_second,
                "cpu_ms": {stage: course.cpu_ms[stage] for stage in STAGES},
                "our_cpu_ms": course.our_cpu_ms,
                "cpu_ms_around": around,
                "memory_mib": dict(course.memory_mib),
                "count": course.count,
            }
        }

    def latency(self) -> Results:
        times = latency(self._servers, rate=self._half, seconds=self._scale.seconds)
        self._tell(f"latency at {self._half:.0f}/s: p95 {times.p95:.0f} ms")
        return {"latency": {**asdict(times), "rate": self._half}}

    def neighbours(self) -> Results:
        both = neighbours(self._servers, rate=self._half, seconds=self._scale.seconds)
        alone, disturbed = both.alone.p95, both.disturbed.p95
        self._tell(f"neighbours at {self._half:.0f}/s: p95 {alone:.0f} and {disturbed:.0f} ms")
        return {
            "neighbours": {
                "alone_p95": alone,
                "disturbed_p95": disturbed,
                "alone": asdict(both.alone),
                "disturbed": asdict(both.disturbed),
                "rate": self._half,
            }
        }

    def scaling(self) -> Results:
        """With sources that answer at once, which the processor bounds; and with slow ones."""
        return {
            "scaling": self._scaled(0),
            "scaling_slow_sources": self._scaled(SLOW_SOURCE_SECONDS),
        }

    def _scaled(self, source_seconds: float) -> dict[str, float]:
        found = {}
        for workers in _WORKERS:
            course = throughput(
                self._servers,
                self._scale.notifications,
                workers={SCALED_STAGE: workers},
                source_seconds=source_seconds,
            )
            found[str(workers)] = course.per_second
            self._tell(
                f"{workers} of {SCALED_STAGE}, sources answer after {source_seconds} s:"
                f" {course.per_second:.0f} notifications/s"
            )
        return found

    def dead(self) -> Results:
        found = commands(self._servers.rabbitmq, self._scale.dead_letters)
        for name, one in found.items():
            self._tell(f"budkavle dead {name}: {one.seconds:.1f} s, {one.peak_mib:.0f} MiB")
        return {
            "dead": {
                "count": self._scale.dead_letters,
                "commands": {name: asdict(one) for name, one in found.items()},
            }
        }

    @property
    def _half(self) -> float:
        """Half of what the relay can take."""
        return self._course.per_second / 2

    @cached_property
    def _course(self) -> Course:
        course = throughput(self._servers, self._scale.notifications)
        self._tell(
            f"relay: {course.per_second:.0f} notifications/s at {course.our_cpu_ms:.2f} ms CPU"
        )
        return course
