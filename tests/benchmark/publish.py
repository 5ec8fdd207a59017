"""Writes what a run found into `docs/`: two pages, a part of a third, and the pictures."""

from collections.abc import Mapping
from pathlib import Path

from notifier.settings import NotifierSettings
from shared.relay.topology import STAGES
from tests.benchmark.bench import SCALED_STAGE, SLOW_SOURCE_SECONDS, Results
from tests.benchmark.goals import goals
from tests.benchmark.pictures import pictures
from tests.benchmark.relay.depths import MOST_WAITING
from tests.benchmark.relay.scenes import FLOOD_PER_REQUEST, FLOOD_RATE
from tests.benchmark.relay.sustained import WARM_SECONDS
from tests.benchmark.sizing import Assumptions, sizes
from tests.benchmark.templates import render
from tests.chaos.page import section_of, with_section

_DOCS = Path("docs")
_SWEDISH_HEADING, _NEXT = "## Dimensionering\n", "\n## "

#: When there is to be more than one process of a stage.
_MORE_WHEN = {
    "ingest": "it is to be upgraded without a pause: two behind a load balancer",
    "filter": "hardly ever",
    "fetcher": "booking systems are slow{slow}",
    "composer": "its queue grows",
    "notifier": "its queue grows and the providers bear more",
}


def publish(results: Results, compared: Results | None, docs: Path = _DOCS) -> None:
    """Write pages and pictures into `docs`. Those whose figures are missing stay as they are."""
    page = docs / "benchmarks.md"
    page.write_text(with_section(benchmarks(results, compared), section_of(page.read_text())))
    for name, picture in pictures(results, compared):
        (docs / "images" / name).write_text(picture)
    if "relay" in results:
        (docs / "sizing.md").write_text(sizing(results))
    if "relay" in results and "latency" in results:
        overview = docs / "oversikt.md"
        overview.write_text(with_size(overview.read_text(), results))


def benchmarks(results: Results, compared: Results | None) -> str:
    """`docs/benchmarks.md`. What was not measured says so."""
    return render(
        "benchmarks.md.j2",
        **results,
        compared=compared,
        commits={one["commit"] for one in results["measured"].values()},
        goals=goals(results, compared),
        stages=STAGES,
        most_waiting=MOST_WAITING,
        warm_seconds=WARM_SECONDS,
        collect_seconds=f"{NotifierSettings().notifier_collect_seconds:g}",
        scaled_stage=SCALED_STAGE,
        slow_source_seconds=SLOW_SOURCE_SECONDS,
        flood_rate=FLOOD_PER_REQUEST * FLOOD_RATE,
    )


def sizing(results: Results) -> str:
    """`docs/sizing.md`."""
    relay, assumed = results["relay"], Assumptions()
    around = relay["cpu_ms_around"]
    slow = _slow_sources(results.get("scaling_slow_sources", {}))
    return render(
        "sizing.md.j2",
        **results,
        assumed=assumed,
        sizes=sizes(relay, assumed),
        servers_ms=around["broker"] + around["database"],
        more_when={stage: when.format(slow=slow) for stage, when in _MORE_WHEN.items()},
    )


def _slow_sources(rates: Mapping[str, float]) -> str:
    """What several fetchers carry; "" when it was not measured."""
    if not rates:
        return ""
    several = ", ".join(f"{number} carried {rate:.0f} a second" for number, rate in rates.items())
    return f": with the default concurrency, {several} when they took {SLOW_SOURCE_SECONDS} s"


def with_size(page: str, results: Results) -> str:
    """`docs/oversikt.md` with the run's figures under its heading about size."""
    before, heading, rest = page.partition(_SWEDISH_HEADING)
    _, following, after = rest.partition(_NEXT)
    assert heading, "docs/oversikt.md has no heading about size"
    size = render("oversikt.md.j2", **results).rstrip()
    return f"{before}{heading}{size}\n{following}{after}"
