"""The results as tables for the terminal."""

from collections.abc import Iterator

from rich.table import Table

from shared.relay.topology import STAGES
from tests.benchmark.bench import SCALED_STAGE, SLOW_SOURCE_SECONDS, Results
from tests.benchmark.goals import Goal

_REACHED = {True: "yes", False: "NO", None: ""}


def tables(results: Results) -> Iterator[Table]:
    """One for each part that is there."""
    if "hop" in results:
        yield _hop_table(results)
    if answers := results.get("ingest_ms"):
        rows = [[count, *_ms(times, "p50", "p95", "limit")] for count, times in answers.items()]
        yield _table("ingest: answer times, ms", ["engagements", "p50", "p95", "limit"], rows)
    if relay := results.get("relay"):
        yield _relay_table(relay)
    yield from _time_tables(results)
    if "scaling" in results:
        yield _scaling_table(results)
    if backlog := results.get("backlog"):
        yield _backlog_table(backlog)
    yield from _small_tables(results)


def _small_tables(results: Results) -> Iterator[Table]:
    if sms := results.get("sms"):
        rows = [[name, f"{one['per_second']:,.0f}", f"{one['cpu_ms']:.2f}"]
                for name, one in sms.items()]  # fmt: skip
        yield _table("SMS over TLS", ["connections", "SMS/s", "CPU ms"], rows)
    if dead := results.get("dead"):
        rows = [[name, f"{one['seconds']:.1f}", f"{one['peak_mib']:.0f}"]
                for name, one in dead["commands"].items()]  # fmt: skip
        yield _table(f"budkavle dead, {dead['count']:,} letters", ["", "s", "peak MiB"], rows)
    if pilot := results.get("pilot"):
        rows = [[f"{pilot['per_second']:.0f}", f"{pilot['our_cpu_ms']:.2f}"]]
        yield _table("pilot, on SQLite", ["notifications/s", "CPU ms of each"], rows)


def goals_table(goals: list[Goal]) -> Table:
    rows = [[goal.what, goal.wanted, goal.found, _REACHED[goal.reached]] for goal in goals]
    return _table("goals", ["what", "wanted", "found", "reached"], rows)


def _relay_table(relay: Results) -> Table:
    rows = [[stage, f"{relay['cpu_ms'][stage]:.2f}", f"{relay['memory_mib'][stage]:.0f}"]
            for stage in STAGES]  # fmt: skip
    rows += [["all five", f"{relay['our_cpu_ms']:.2f}", ""]]
    rows += [[name, f"{ms:.2f}", ""] for name, ms in relay["cpu_ms_around"].items()]
    title = (
        f"relay: {relay['per_second']:.0f} notifications/s sustained;"
        f" {relay['tail_seconds']:.1f} s from the last request to the last notice"
    )
    return _table(title, ["process", "CPU ms per notification", "memory MiB"], rows)


def _backlog_table(found: Results) -> Table:
    rates = f"{found['rate_at_begin']:,.0f} and {found['rate_at_end']:,.0f}"
    memory = f"{found['memory_at_begin_mib']:.0f} and {found['peak_mib']:.0f}"
    rows = [[f"{found['seconds']:.0f}", rates, memory]]
    title = f"{found['count']:,} messages in the {found['stage']}'s queue"
    return _table(title, ["s", "messages/s, begin and end", "MiB, begin and most"], rows)


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
    rows = [[name, *_ms(times, "p50", "p95", "p99")] for name, times in _timed(results)]
    if rows:
        yield _table("request to inbox at 70/s", columns, rows)


def _timed(results: Results) -> Iterator[tuple[str, dict[str, float]]]:
    if "latency" in results:
        yield "by itself", results["latency"]
    for part, names in (("neighbours", ("alone", "disturbed")), ("full", ("empty", "full"))):
        for name in names if part in results else ():
            yield f"{part}: {name}", results[part][name]


def _scaling_table(results: Results) -> Table:
    at_once, slow = results["scaling"], results["scaling_slow_sources"]
    rows = [[count, f"{at_once[count]:.0f}" if count in at_once else "", f"{slow[count]:.0f}"]
            for count in slow]  # fmt: skip
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
