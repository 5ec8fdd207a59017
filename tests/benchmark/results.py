"""`build/bench.json` and `build/compare.json`: what was measured, part by part."""

import json
from pathlib import Path
from typing import Any

from tests.benchmark.bench import PARTS, Results

RESULTS = Path("build/bench.json")
COMPARISON = Path("build/compare.json")


def load_results() -> Results:
    """What earlier runs left; parts that are not there were never measured."""
    return {"measured": {}, "failed": {}, **(_load(RESULTS) or {})}


def load_comparison() -> Results | None:
    """The last comparison with another commit, if there was one."""
    return _load(COMPARISON)


def save_results(results: Results) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


def with_part(results: Results, part: str, found: Results, measured: dict[str, str]) -> Results:
    """`measured`: when, at which commit, under which load, and how many seconds it took."""
    kept = _without(results, part)
    return {**kept, **found, "measured": {**kept["measured"], part: measured}}


def with_failure(results: Results, part: str, error: BaseException) -> Results:
    """Without the figures that an earlier run had of it: they are not of this run."""
    kept = _without(results, part)
    return {**kept, "failed": {**kept["failed"], part: f"{type(error).__name__}: {error}"[:500]}}


def _without(results: Results, part: str) -> Results:
    kept = {key: value for key, value in results.items() if key not in PARTS[part]}
    for about in ("measured", "failed"):
        kept[about] = {name: one for name, one in results[about].items() if name != part}
    return kept


def _load(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    found = json.loads(file.read_text())
    assert isinstance(found, dict)
    return found
