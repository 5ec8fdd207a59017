"""`python -m tests.benchmark.compare COMMIT`: another commit beside this tree, on one machine.

Both trees run the benchmark of the whole relay in turn, each with its own code, environment and
servers. A figure of one machine says little; the ratio of two laps that follow each other does.
Prints each ratio with its spread, and writes `build/compare.json`.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

_HERE = Path(__file__).parents[2]
_RESULTS = Path("build/compare.json")
_LOCK = "requirements-bench.lock"

Lap = Mapping[str, float]


@dataclass(frozen=True)
class Ratio:
    """This tree's figure divided by the other's. `lowest`, `highest`: of single pairs of laps."""

    figure: str
    other: float
    this: float
    ratio: float
    lowest: float
    highest: float


def compare(pairs: Sequence[tuple[Lap, Lap]]) -> list[Ratio]:
    """One for each figure that both have; `pairs`: laps of the other tree and this one."""
    figures = [name for name in pairs[0][1] if name in pairs[0][0]]
    return [_ratio(name, [(other[name], this[name]) for other, this in pairs]) for name in figures]


def _ratio(figure: str, pairs: Sequence[tuple[float, float]]) -> Ratio:
    others, ours = zip(*pairs, strict=True)
    ratios = [this / other for other, this in pairs]
    return Ratio(
        figure,
        statistics.median(others),
        statistics.median(ours),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
    )


def figures_of(relay: Mapping[str, object]) -> dict[str, float]:
    """Of the part `relay` in `build/bench.json`: rate, our CPU and that of each stage."""
    cpu = relay["cpu_ms"]
    assert isinstance(cpu, Mapping)
    return {
        "notifications/s": float(str(relay["per_second"])),
        "our CPU, ms per notification": float(str(relay["our_cpu_ms"])),
        **{f"{stage}, ms": float(ms) for stage, ms in cpu.items()},
    }


@contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """A work tree of `commit` with its own environment; removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="budkavle-compare-") as folder:
        tree = Path(folder) / "tree"
        _git("worktree", "add", "--detach", "--quiet", str(tree), commit)
        try:
            _run(tree, [".ci/venv", _LOCK])
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def lap(tree: Path, count: int) -> dict[str, float]:
    """`count` notifications through the relay of `tree`."""
    _run(tree, [".venv/bin/python", "-m", "tests.benchmark", "relay", "--count", str(count)])
    results = json.loads((tree / "build" / "bench.json").read_text())
    return figures_of(results["relay"])


def table(commit: str, ratios: Sequence[Ratio]) -> Table:
    drawn = Table(title=f"this tree against {commit}", title_justify="left")
    for name in ("", commit, "this tree", "ratio", "spread"):
        drawn.add_column(name, justify="right" if name else "left")
    for one in ratios:
        spread = f"{one.lowest:.2f}–{one.highest:.2f}"
        drawn.add_row(one.figure, f"{one.other:.2f}", f"{one.this:.2f}", f"{one.ratio:.2f}", spread)
    return drawn


def main() -> None:
    options = _options()
    console = Console()
    pairs = []
    with tree_of(options.commit) as other:
        for number in range(options.laps):
            pairs.append((lap(other, options.count), lap(_HERE, options.count)))
            console.print(f"lap {number + 1} of {options.laps}")
    ratios = compare(pairs)
    console.print(table(options.commit, ratios))
    _RESULTS.parent.mkdir(exist_ok=True)
    found = {"commit": options.commit, "count": options.count, "laps": options.laps}
    _RESULTS.write_text(json.dumps({**found, "ratios": [asdict(one) for one in ratios]}, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.compare", description=__doc__)
    parser.add_argument("commit", help="what this tree is compared with")
    parser.add_argument("--laps", type=int, default=3, help="of each tree, in turn")
    parser.add_argument("--count", type=int, default=3000, help="notifications in a lap")
    return parser.parse_args()


def _git(*words: str) -> None:
    _run(_HERE, ["git", *words])


def _run(folder: Path, command: Sequence[str]) -> None:
    """Ends the run when it fails. What it prints is shown only when it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
