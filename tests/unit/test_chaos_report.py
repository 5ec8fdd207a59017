"""A run of chaos passes with zeros only, and what it publishes is what it found."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.accounts import DeadAccount, Judged, NoticeAccount, judge
from tests.chaos.cases import Source
from tests.chaos.clinic import Clinic
from tests.chaos.page import section, section_of, with_section
from tests.chaos.plan import STORIES, Options
from tests.chaos.report import Report

SOURCE = Source("SE2321000016-SYS1", ("SE2321000016-U1",))
REPORT = Report(
    options=Options(count=12, seed=5),
    seconds=90.0,
    judged=[],
    strangers=[],
    after_deactivation=[],
    notices=NoticeAccount(),
    dead=DeadAccount(),
    load=Counter(accepted=12),
    stuck=[],
    havoc=Counter(kills=3),
    kills=Counter(filter=3),
    crashed=[],
    undrained={},
    bugs=[],
    leaks=[],
)


def sound() -> Judged:
    clinic = Clinic(random.Random(7), SOURCE, "20121212AAAA", "B1", waits=True)
    STORIES["cancelled"][1](clinic)
    case = clinic.case("cancelled")
    return judge(replace(case, silent=True), 2, [])


def test_a_sound_run_passes_in_one_line() -> None:
    report = replace(REPORT, judged=[sound()])
    assert report.wrongs == []
    assert report.closing_line.startswith(
        "CHAOS PASSED: nothing lost, nothing twice, nothing false"
    )
    assert "12 notifications, 1 visits, 0 messages in 1.5 minutes, seed 5" in report.closing_line


@pytest.mark.parametrize(
    ("counter", "figure"),
    [("lost", "lost"), ("duplicated", "duplicated"), ("second", "second_messages"),
     ("false", "false_kinds")],
)  # fmt: skip
def test_each_wrong_of_an_inbox_fails_the_run(counter: str, figure: str) -> None:
    wrong: Any = {counter: 1}
    report = replace(REPORT, judged=[sound(), replace(sound(), **wrong)])
    assert report.wrongs == [f"{figure} is 1, not 0"]
    assert report.closing_line.startswith(f"CHAOS FAILED: {figure} is 1, not 0 (")


@pytest.mark.parametrize(
    ("found", "figure"),
    [
        ({"notices": NoticeAccount(twice=1)}, "notices_twice"),
        ({"notices": NoticeAccount(missing=["sms"])}, "notices_missing"),
        ({"dead": DeadAccount(unexplained=["x"])}, "dead_unexplained"),
        ({"dead": DeadAccount(missing=["x"])}, "dead_missing"),
        ({"load": Counter(accepted=12, refused=1)}, "refused"),
        ({"load": Counter(accepted=12, index_dead=1)}, "index_dead"),
        ({"undrained": {"budkavle.filter": 1}}, "undrained"),
        ({"crashed": ["filter-1"]}, "crashed"),
        ({"bugs": ["a line"]}, "bugs"),
        ({"leaks": ["a line"]}, "leaks"),
    ],
)
def test_each_other_wrong_fails_the_run(found: dict[str, Any], figure: str) -> None:
    assert replace(REPORT, **found).wrongs == [f"{figure} is 1, not 0"]


def test_a_run_that_was_not_whole_fails() -> None:
    assert replace(REPORT, load=Counter(accepted=11)).wrongs == ["accepted is 11, not 12"]


def test_the_figures_of_a_run_are_published_in_their_place() -> None:
    first = section(REPORT.figures, date="2026-11-25", commit="abc1234")
    assert "| 2026-11-25, commit abc1234 | 12 notifications |" in first
    assert "| messages lost | 0 |" in first
    page = with_section("# Benchmarks\n\nText.\n", first)
    assert page.startswith("# Benchmarks\n\nText.\n\n<!-- chaos: begin -->")
    assert section_of(page) == first
    second = section(REPORT.figures | {"accepted": 20000}, date="2026-11-26", commit="abc1235")
    replaced = with_section(page + "\n## After\n", second)
    assert "20,000 notifications" in replaced
    assert "abc1234" not in replaced
    assert replaced.endswith("<!-- chaos: end -->\n\n## After\n")


def test_a_page_without_figures_of_chaos_stays_as_it_is() -> None:
    assert section_of("# Benchmarks\n") == ""
    assert with_section("# Benchmarks\n", "") == "# Benchmarks\n"
