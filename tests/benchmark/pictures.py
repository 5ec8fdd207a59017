"""The pictures of a run: bars by stage, latency curves, and what flowed in each second."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.benchmark.bench import Results
from tests.benchmark.drawing import Line, bars, lines

_PERCENT, _MS = "percentile", "ms"


def pictures(results: Results, compared: Results | None) -> Iterator[tuple[str, str]]:
    """File names and SVGs of what was measured."""
    if relay := results.get("relay"):
        yield "bench-stages.svg", _stages(relay, compared)
        yield "bench-throughput.svg", _throughput(relay["timeline"])
    if found := results.get("neighbours"):
        title = f"From the request to the inbox at {found['rate']:.0f}/s, healthy sources"
        yield "bench-neighbours.svg", _curves(title, found, ("alone", "disturbed"))
    if found := results.get("full"):
        title = f"From the request to the inbox at {found['rate']:.0f}/s, database empty and full"
        yield "bench-full.svg", _curves(title, found, ("empty", "full"))
    if found := results.get("backlog"):
        yield "bench-backlog.svg", _backlog(found)


def _stages(relay: Mapping[str, Any], compared: Results | None) -> str:
    """Both commits where they were compared: only figures of one run may stand side by side."""
    groups = _of_both(compared) if compared else {}
    return bars(
        "Processor time per notification, ms",
        groups or {name: {"ms": ms} for name, ms in _all_cpu(relay).items()},
    )


def _all_cpu(relay: Mapping[str, Any]) -> dict[str, float]:
    return {**relay["cpu_ms"], **relay["cpu_ms_around"]}


def _of_both(compared: Results) -> dict[str, dict[str, float]]:
    other, this = compared["commit"], compared["this"]["commit"]
    return {
        one["figure"].removesuffix(", ms"): {other: one["other"], this: one["this"]}
        for one in compared["ratios"]
        if one["figure"].endswith(", ms")
    }


def _throughput(timeline: Mapping[str, Sequence[float]]) -> str:
    names = {"requests": "requests taken", "messages": "inbox messages", "notices": "notices sent"}
    series = {names[name]: _by_second(counts) for name, counts in timeline.items()}
    return lines("As much as the relay takes", series, x="seconds", y="a second")


def _by_second(counts: Sequence[float]) -> Line:
    return [(second + 0.5, count) for second, count in enumerate(counts)]


def _curves(title: str, found: Mapping[str, Any], names: Sequence[str]) -> str:
    series = {name: list(enumerate(found[name]["curve"], 1)) for name in names}
    return lines(title, series, x=_PERCENT, y=_MS)


def _backlog(found: Mapping[str, Any]) -> str:
    """Both as shares, so that they fit one axis."""
    count, most = found["count"], found["peak_mib"]
    series = {
        "messages left": [(at, 100 * left / count) for at, left, _ in found["looks"]],
        f"memory (of {most:.0f} MiB)": [(at, 100 * mib / most) for at, _, mib in found["looks"]],
    }
    title = f"{count:,} messages in the {found['stage']}'s queue"
    return lines(title, series, x="seconds", y="%")
