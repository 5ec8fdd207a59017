"""`python -m tests.benchmark.compare COMMIT`: another commit beside this tree, on one machine.

The product of both trees is loaded in turn by this tree's benchmark: its generator, its sandbox,
its servers, its definition of the rate (`relay.sustained`). Each product has its own environment
and its own tables. A figure of one machine says little; the ratio of two laps that follow each
other does. Prints each ratio with its spread, and writes `build/compare.json`.
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

from tests.benchmark.bench import relay_figures
from tests.benchmark.goals import CPU_FIGURE, RATE_FIGURE
from tests.benchmark.machine import moment
from tests.benchmark.relay.product import OURS, Product
from tests.benchmark.relay.scenes import throughput
from tests.benchmark.relay.world import Servers
from tests.benchmark.results import COMPARISON

_HERE = Path(__file__).parents[2]
_LOCK = "requirements.lock"

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
    """Of the part `relay` in `build/bench.json`: rate, our CPU, and that of each process."""
    cpu, around = relay["cpu_ms"], relay.get("cpu_ms_around", {})
    assert isinstance(cpu, Mapping)
    assert isinstance(around, Mapping)
    return {
        RATE_FIGURE: float(str(relay["per_second"])),
        CPU_FIGURE: float(str(relay["our_cpu_ms"])),
        **{f"{stage}, ms": float(ms) for stage, ms in {**cpu, **around}.items()},
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


def lap(servers: Servers, product: Product, seconds: float) -> dict[str, float]:
    """As much as the relay of `product` takes for `seconds`."""
    return figures_of(relay_figures(throughput(servers, seconds, product=product)))


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
    about = {"commit": options.commit, "seconds": options.seconds, "this": moment()}
    pairs: list[tuple[Lap, Lap]] = []
    with tree_of(options.commit) as tree, Servers() as servers:
        for number in range(options.laps):
            other = lap(servers, Product(tree), options.seconds)
            pairs.append((other, lap(servers, OURS, options.seconds)))
            _save(about, pairs)
            console.print(f"lap {number + 1} of {options.laps}")
    console.print(table(options.commit, compare(pairs)))


def _save(about: Mapping[str, object], pairs: Sequence[tuple[Lap, Lap]]) -> None:
    ratios = [asdict(one) for one in compare(pairs)]
    COMPARISON.parent.mkdir(exist_ok=True)
    COMPARISON.write_text(json.dumps({**about, "laps": len(pairs), "ratios": ratios}, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.compare", description=__doc__)
    parser.add_argument("commit", help="what this tree is compared with")
    parser.add_argument("--laps", type=int, default=3, help="of each tree, in turn")
    parser.add_argument("--seconds", type=float, default=20, help="length of the load of a lap")
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
