"""The goals of a run, its tables and pages: complete, partial, and with a part that failed."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from shared.relay.topology import STAGES
from tests.benchmark import results as stored
from tests.benchmark.bench import PARTS, Results
from tests.benchmark.drawing import bars, lines, nice_step
from tests.benchmark.goals import goals
from tests.benchmark.publish import publish
from tests.benchmark.report import goals_table, tables

DOCS = Path(__file__).parents[2] / "docs"
TIMES = {"p50": 30.0, "p95": 80.0, "p99": 120.0, "curve": list(range(1, 100)), "our_cpu_ms": 3.0}
MEASURED = {"date": "2026-11-25 22:00 UTC", "commit": "abc1234", "load": "0.3"}

EVERYTHING: Results = {
    "machine": {"processor": "a quick one", "commit": "abc1234"},
    "measured": dict.fromkeys(PARTS, MEASURED),
    "failed": {},
    "hop": {"budkavle": 900.0, "pika": 1000.0, "aio_pika": 300.0, "celery": 100.0},
    "hop_cpu_us": dict.fromkeys(("budkavle", "pika", "aio_pika", "celery"), 1.0),
    "ingest_ms": {"1": {"p50": 2.0, "p95": 3.0, "p99": 4.0, "limit": 120}},
    "relay": {
        "per_second": 432.1,
        "rates": {"messages": 440.0, "notices": 432.1},
        "lap_per_second": 390.0,
        "tail_seconds": 5.4,
        "cpu_ms": dict.fromkeys(STAGES, 0.5),
        "our_cpu_ms": 2.5,
        "cpu_ms_around": {"sandbox": 0.5, "broker": 0.7, "database": 0.6},
        "memory_mib": {**dict.fromkeys(STAGES, 70.0), "fetcher": 90.0},
        "count": 12345,
        "seconds": 30.0,
        "timeline": {name: [400, 420, 0] for name in ("requests", "messages", "notices")},
    },
    "latency": {**TIMES, "rate": 70.0},
    "neighbours": {"alone_p95": 100.0, "disturbed_p95": 115.0, "rate": 70.0,
                   "alone": TIMES, "disturbed": TIMES},
    "full": {"empty": TIMES, "full": {**TIMES, "p99": 150.0}, "rows": 2_000_000, "rate": 70.0},
    "backlog": {"stage": "filter", "count": 100_000, "seconds": 50.0, "memory_at_begin_mib": 90.0,
                "peak_mib": 95.0, "rate_at_begin": 2000.0, "rate_at_end": 2100.0,
                "looks": [[0.0, 100_000, 80.0], [50.0, 0, 95.0]]},
    "sms": {name: {"per_second": 1000.0, "cpu_ms": 0.2} for name in ("kept", "new")},
    "scaling": {"1": 432.0, "4": 400.0},
    "scaling_slow_sources": {"1": 62.0, "2": 120.0, "4": 230.0},
    "dead": {"count": 10, "commands": {"list": {"seconds": 1.0, "peak_mib": 60.0}}},
    "pilot": {"count": 1000, "seconds": 20.0, "per_second": 50.0, "our_cpu_ms": 6.0,
              "kilobytes": 7.0, "memory_mib": dict.fromkeys(STAGES, 90.0)},
}  # fmt: skip
COMPARED: Results = {
    "commit": "60fc8a5", "this": MEASURED, "laps": 3, "seconds": 20.0,
    "ratios": [
        {"figure": figure, "other": 1.0, "this": ratio, "ratio": ratio, "lowest": ratio - 0.1,
         "highest": ratio + 0.1}
        for figure, ratio in (("notifications/s", 1.7), ("our CPU, ms per notification", 0.7),
                              *((f"{stage}, ms", 0.5) for stage in STAGES))
    ],
}  # fmt: skip


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in ("benchmarks.md", "sizing.md", "oversikt.md"):
        (tmp_path / name).write_text((DOCS / name).read_text())
    return tmp_path


def test_goals_are_judged_by_the_figures() -> None:
    judged = [(goal.found, goal.reached) for goal in goals(EVERYTHING, COMPARED)]
    assert judged == [
        ("0.70 (0.60–0.80)", False),
        ("1.70 (1.60–1.80)", True),
        ("3.0 times", True),
        ("+15%", True),
        ("120 ms", True),
        ("+25%", False),
        ("90 MiB, at most 95", True),
        ("90 MiB (fetcher)", False),
    ]


def test_what_was_not_measured_is_neither_reached_nor_missed() -> None:
    assert {goal.reached for goal in goals({}, None)} == {None}


def test_each_part_has_a_table() -> None:
    assert len(list(tables(EVERYTHING))) == len(PARTS) - 2  # three of them share one
    assert list(tables({"measured": {}, "failed": {}})) == []
    assert goals_table(goals(EVERYTHING)).row_count == 8


def test_the_pages_hold_the_figures(docs: Path) -> None:
    publish(EVERYTHING, COMPARED, docs)
    page = (docs / "benchmarks.md").read_text()
    assert "**432 notifications/s** sustained" in page
    assert "Not measured" not in page
    assert "**432 notifieringar i sekunden**" in (docs / "oversikt.md").read_text()
    assert "432 notifications a second" in (docs / "sizing.md").read_text()
    assert "notifications a second | 50 | 432 |" in (docs / "sizing.md").read_text()


def test_pictures_that_the_pages_show_are_there(docs: Path) -> None:
    publish(EVERYTHING, COMPARED, docs)
    shown = re.findall(r"\]\((images/[\w-]+\.svg)\)", (docs / "benchmarks.md").read_text())
    assert len(shown) == 5
    for name in shown:
        ElementTree.parse(docs / name)  # raises when it is not well-formed


def test_the_overview_keeps_its_other_parts(docs: Path) -> None:
    before = (docs / "oversikt.md").read_text()
    publish(EVERYTHING, COMPARED, docs)
    after = (docs / "oversikt.md").read_text()
    assert re.findall("^#.*", before, re.MULTILINE) == re.findall("^#.*", after, re.MULTILINE)


def test_the_part_about_chaos_is_kept(docs: Path) -> None:
    page = docs / "benchmarks.md"
    page.write_text("# old\n\n<!-- chaos: begin -->\nNever lost\n<!-- chaos: end -->\n")
    publish(EVERYTHING, None, docs)
    assert page.read_text().endswith("<!-- chaos: begin -->\nNever lost\n<!-- chaos: end -->\n")


@pytest.mark.parametrize("part", PARTS)
def test_a_page_without_a_part_says_how_to_measure_it(part: str, docs: Path) -> None:
    results = stored.with_failure(EVERYTHING, part, AssertionError("not true within 120 s"))
    publish(results, None, docs)
    page = (docs / "benchmarks.md").read_text()
    assert f"Not measured: the part failed. `make bench B={part}` measures it." in page
    assert page.count("Not measured: the part failed") == 1


def test_a_part_replaces_its_own_figures_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "RESULTS", tmp_path / "build" / "bench.json")
    empty: dict[str, Any] = stored.load_results()
    stored.save_results(stored.with_part(empty, "sms", {"sms": {"kept": 1}}, MEASURED))
    failed = stored.with_failure(stored.load_results(), "hop", ValueError("no"))
    stored.save_results(stored.with_part(failed, "sms", {"sms": {"kept": 2}}, MEASURED))
    assert stored.load_results() == {
        "sms": {"kept": 2},
        "measured": {"sms": MEASURED},
        "failed": {"hop": "ValueError: no"},
    }
    assert "sms" not in stored.with_failure(stored.load_results(), "sms", ValueError())


def test_pictures_have_round_axes() -> None:
    assert [nice_step(least) for least in (0.9, 1, 1.1, 2.2, 30, 260)] == [1, 1, 2, 2.5, 50, 500]
    picture = lines("a < b", {"one": [(0, 0), (10, 95)]}, x="s", y="ms")
    assert ">100<" in picture
    assert "a &lt; b" in picture


def test_the_longest_bar_is_the_largest_value() -> None:
    drawn = ElementTree.fromstring(bars("t", {"a": {"x": 1.0, "y": 4.0}, "b": {"x": 2.0}}))
    widths = [float(one.attrib["width"]) for one in drawn.iter() if "fill" in one.get("class", "")]
    one, four, two = widths[:3]
    assert four == pytest.approx(4 * one, abs=0.1)
    assert two == pytest.approx(2 * one, abs=0.1)
