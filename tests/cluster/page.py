"""The figures in docs/failover.md: `python -m tests.cluster.page FILE…` writes them anew.

Each FILE is what a run of `make chaos-cluster` left, such as build/chaos-cluster.json.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.page import ROWS

PAGE = Path(__file__).parents[2] / "docs" / "failover.md"
BEGIN, END = "<!-- chaos-cluster: begin -->", "<!-- chaos-cluster: end -->"
_STAGES = ("ingest", "filter", "fetcher", "composer", "notifier")
_AS_OF_CHAOS = (
    *("inbox", "lost", "duplicated", "second_messages", "false_kinds"),
    *("notices_due", "notices_missing", "notices_twice"),
)
#: What is published of the accounts, and its name there.
_ROWS = {
    "accepted": "notifications accepted",
    **{key: ROWS[key] for key in _AS_OF_CHAOS},
    "dead_unexplained": "dead letters without a reason in the plan",
    "index_dead": ROWS["index_dead"],
    "nodes_restarted_by_hand": "nodes that did not come back by themselves",
    "seed": "seed",
    "machine_load": "load of the machine at the end",
}

Figures = Mapping[str, Any]


def section(runs: Sequence[Figures]) -> str:
    """Between its markers, in Markdown."""
    return "\n".join([BEGIN, *_standstills(runs), "", *_accounts(runs), END])


def with_section(page: str, of_cluster: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{of_cluster}{after}"


def _standstills(runs: Sequence[Figures]) -> Iterator[str]:
    """Of each incident: ingest / the stage that stood still longest."""
    whats = dict.fromkeys(row["what"] for run in runs for row in run["standstills"])
    yield _row("longest standstill, s: ingest / any stage", *(_name(run) for run in runs), "aim")
    yield _row("---", *("---:" for _ in runs), "---:")
    for what in whats:
        found = [_row_of(run, what) for run in runs]
        aim = next(row["aim"] for row in found if row)
        yield _row(what, *(_standstill(row) for row in found), f"{aim:g}")


def _row_of(run: Figures, what: str) -> Figures | None:
    return next((row for row in run["standstills"] if row["what"] == what), None)


def _standstill(row: Figures | None) -> str:
    return f"{row['ingest']} / {max(row[stage] for stage in _STAGES)}" if row else ""


def _accounts(runs: Sequence[Figures]) -> Iterator[str]:
    yield _row("accounts", *(_name(run) for run in runs))
    yield _row("---", *("---:" for _ in runs))
    for key, name in _ROWS.items():
        yield _row(name, *(f"{run.get(key, 0):,}" for run in runs))


def _name(run: Figures) -> str:
    return f"{run['broker']}; {run['database']}; Python {run['python']}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main(files: Sequence[str]) -> None:
    runs = [run for file in files for run in json.loads(Path(file).read_text())]
    PAGE.write_text(with_section(PAGE.read_text(), section(runs)))


if __name__ == "__main__":
    main(sys.argv[1:])
