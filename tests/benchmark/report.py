"""The results for people: tables for the terminal, and the page `docs/benchmarks.md`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.table import Table

from shared.relay.topology import STAGES
from tests.benchmark.bench import SCALED_STAGE, SLOW_SOURCE_SECONDS, Results
from tests.benchmark.hop.race import FRAMEWORKS
from tests.benchmark.relay.scenes import FLOOD_PER_REQUEST, FLOOD_RATE

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Goal:
    """What was to be reached, and what was."""

    what: str
    wanted: str
    found: str
    reached: bool


def goals(results: Results) -> Iterator[Goal]:
    """Of those whose part was run."""
    if hop := results.get("hop"):
        yield from _hop_goals(hop)
    if relay := results.get("relay"):
        ours, per_second = relay["our_cpu_ms"], relay["per_second"]
        yield Goal("processor time of all five stages, per notification", "at most 3 ms",
                   f"{ours:.2f} ms", ours <= 3)  # fmt: skip
        yield Goal("the whole relay", "at least 400 notifications/s",
                   f"{per_second:.0f}", per_second >= 400)  # fmt: skip
    if found := results.get("neighbours"):
        growth = found["disturbed_p95"] / found["alone_p95"] - 1
        yield Goal("p95 of healthy sources beside one down and one flooding",
                   "grows by less than 20 %", f"{growth:+.0%}", growth < 0.2)  # fmt: skip


def _hop_goals(hop: dict[str, float]) -> Iterator[Goal]:
    frameworks = {name: hop[name] for name in FRAMEWORKS if name in hop}
    if frameworks:
        best = max(frameworks, key=lambda name: frameworks[name])
        ratio = hop["budkavle"] / hop[best]
        yield Goal(f"one hop, against the best framework ({best})", "at least 4 times",
                   f"{ratio:.1f} times", ratio >= 4)  # fmt: skip
    if "pika" in hop:
        ratio = hop["budkavle"] / hop["pika"]
        yield Goal("one hop, against bare pipelined pika", "at least 0.6",
                   f"{ratio:.2f}", ratio >= 0.6)  # fmt: skip


def tables(results: Results) -> Iterator[Table]:
    """One for each part that was run, and the goals."""
    if "hop" in results:
        yield _hop_table(results)
    if answers := results.get("ingest_ms"):
        rows = [[count, *_ms(times, "p50", "p95", "limit")] for count, times in answers.items()]
        yield _table("ingest: answer times, ms", ["engagements", "p50", "p95", "limit"], rows)
    if relay := results.get("relay"):
        rows = [[stage, f"{relay['cpu_ms'][stage]:.2f}", f"{relay['memory_mib'][stage]:.0f}"]
                for stage in STAGES]  # fmt: skip
        rows += [[name, f"{ms:.2f}", ""] for name, ms in relay["cpu_ms_around"].items()]
        title = f"relay: {relay['per_second']:.0f} notifications/s"
        yield _table(title, ["process", "CPU ms per notification", "memory MiB"], rows)
    yield from _time_tables(results)
    if "scaling" in results:
        yield _scaling_table(results)
    if dead := results.get("dead"):
        rows = [[name, f"{one['seconds']:.1f}", f"{one['peak_mib']:.0f}"]
                for name, one in dead["commands"].items()]  # fmt: skip
        yield _table(f"budkavle dead, {dead['count']:,} letters", ["", "s", "peak MiB"], rows)
    rows = [[goal.what, goal.wanted, goal.found, "yes" if goal.reached else "NO"]
            for goal in goals(results)]  # fmt: skip
    yield _table("goals", ["what", "wanted", "found", "reached"], rows)


def page(results: Results) -> str:
    """`docs/benchmarks.md` for a run of all parts."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.md.j2").render(
        **results,
        goals=list(goals(results)),
        stages=STAGES,
        scaled_stage=SCALED_STAGE,
        slow_source_seconds=SLOW_SOURCE_SECONDS,
        flood_rate=FLOOD_PER_REQUEST * FLOOD_RATE,
    )


def _hop_table(results: Results) -> Table:
    hop, cpu = results["hop"], results["hop_cpu_us"]
    ours = hop.get("budkavle")
    rows = [
        [name, f"{rate:,.0f}", f"{cpu[name]:.0f}", f"{ours / rate:.1f}" if ours else ""]
        for name, rate in sorted(hop.items(), key=lambda item: -item[1])
    ]
    return _table("one hop", ["", "hops/s", "CPU µs per hop", "budkavle is times"], rows)


def _time_tables(results: Results) -> Iterator[Table]:
    columns = ["ms", "p50", "p95", "p99"]
    if times := results.get("latency"):
        rows = [["", *_ms(times, "p50", "p95", "p99")]]
        yield _table(f"ingest to inbox at {times['rate']:.0f}/s", columns, rows)
    if found := results.get("neighbours"):
        rows = [[name, *_ms(found[name], "p50", "p95", "p99")] for name in ("alone", "disturbed")]
        yield _table(f"healthy sources at {found['rate']:.0f}/s", columns, rows)


def _scaling_table(results: Results) -> Table:
    at_once, slow = results["scaling"], results["scaling_slow_sources"]
    rows = [[count, f"{at_once[count]:.0f}", f"{slow[count]:.0f}"] for count in at_once]
    columns = [f"of {SCALED_STAGE}", "sources at once", f"sources after {SLOW_SOURCE_SECONDS} s"]
    return _table("notifications/s by number of workers", columns, rows)


def _ms(times: dict[str, float], *names: str) -> list[str]:
    return [f"{times[name]:.1f}" for name in names]


def _table(title: str, columns: list[str], rows: list[list[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    return table
