"""What was to be reached, and what a run reached."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.benchmark.hop.race import FRAMEWORKS

#: How a comparison names its two figures that have a goal (`compare.figures_of`).
CPU_FIGURE, RATE_FIGURE = "our CPU, ms per notification", "notifications/s"
#: Memory that grows by less while a long queue is drained counts as flat.
_FLAT = 1.1

_PEAK = "at an even 70/s, the national peak"


@dataclass(frozen=True)
class Goal:
    """`reached`: None when it was not measured."""

    what: str
    wanted: str
    aim: str
    found: str
    reached: bool | None


@dataclass(frozen=True)
class Measured:
    """A figure as people read it, and whether it is good enough."""

    found: str
    reached: bool


def goals(results: Mapping[str, Any], compared: Mapping[str, Any] | None = None) -> list[Goal]:
    """All of them. `compared`: what `build/compare.json` holds."""
    against = f"against {compared['commit']} in one run" if compared else "against another commit"
    best = best_framework(results.get("hop", {})) or "none ran"
    rows = [
        (f"our CPU per notification, {against}", "at most 0.6", "0.45",
         _ratio(compared, CPU_FIGURE, most=0.6)),
        (f"the whole relay's rate, {against}", "at least 1.6", "2.2",
         _ratio(compared, RATE_FIGURE, least=1.6)),
        (f"one hop, against the best framework ({best})", "at least 2.5 times", "4",
         _hop(results)),
        (f"p95 of healthy sources beside a hanging and a flooding one, {_PEAK}",
         "at most +20 %", "+10 %", _neighbours(results)),
        (f"from the request to the inbox, {_PEAK}, p99", "at most 150 ms", "100 ms",
         _latency(results)),
        ("the same beside a full database, p99", "at most +10 %", "+0 %", _full(results)),
        ("a long queue: memory of a worker while it is drained", "flat", "flat", _backlog(results)),
        ("memory of one worker, the largest", "at most 80 MiB", "60 MiB", _memory(results)),
    ]  # fmt: skip
    return [_goal(*row) for row in rows]


def _goal(what: str, wanted: str, aim: str, measured: Measured | None) -> Goal:
    if measured is None:
        return Goal(what, wanted, aim, "not measured", None)
    return Goal(what, wanted, aim, measured.found, measured.reached)


def _ratio(
    compared: Mapping[str, Any] | None, figure: str, *, most: float = 1e9, least: float = 0
) -> Measured | None:
    for one in (compared or {}).get("ratios", ()):
        if one["figure"] == figure:
            found = f"{one['ratio']:.2f} ({one['lowest']:.2f}–{one['highest']:.2f})"
            return Measured(found, least <= one["ratio"] <= most)
    return None


def _hop(results: Mapping[str, Any]) -> Measured | None:
    hop = results.get("hop", {})
    best = best_framework(hop)
    if not best or "budkavle" not in hop:
        return None
    ratio = hop["budkavle"] / hop[best]
    return Measured(f"{ratio:.1f} times", ratio >= 2.5)


def best_framework(hop: Mapping[str, float]) -> str:
    """The quickest of those that ran; "" when none did."""
    ran = [name for name in FRAMEWORKS if name in hop]
    return max(ran, key=lambda name: hop[name], default="")


def _neighbours(results: Mapping[str, Any]) -> Measured | None:
    found = results.get("neighbours")
    return found and _growth(found["alone_p95"], found["disturbed_p95"], most=0.2)


def _latency(results: Mapping[str, Any]) -> Measured | None:
    found = results.get("latency")
    return found and Measured(f"{found['p99']:.0f} ms", found["p99"] <= 150)


def _full(results: Mapping[str, Any]) -> Measured | None:
    found = results.get("full")
    return found and _growth(found["empty"]["p99"], found["full"]["p99"], most=0.1)


def _growth(before: float, after: float, *, most: float) -> Measured:
    growth = after / before - 1
    return Measured(f"{growth:+.0%}", growth <= most)


def _backlog(results: Mapping[str, Any]) -> Measured | None:
    found = results.get("backlog")
    if not found:
        return None
    begin, peak = found["memory_at_begin_mib"], found["peak_mib"]
    return Measured(f"{begin:.0f} MiB, at most {peak:.0f}", peak <= _FLAT * begin)


def _memory(results: Mapping[str, Any]) -> Measured | None:
    if not (relay := results.get("relay")):
        return None
    memory = relay["memory_mib"]
    largest = max(memory, key=lambda stage: memory[stage])
    return Measured(f"{memory[largest]:.0f} MiB ({largest})", memory[largest] <= 80)
