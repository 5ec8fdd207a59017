"""`python -m tests.benchmark [PART…]`: measure, print, and write `build/bench.json`.

A run of all parts writes `docs/benchmarks.md` too.
"""

import argparse
import json
from pathlib import Path

from rich.console import Console

from tests.benchmark.bench import Bench, Results, Scale
from tests.benchmark.hop.contender import CONTENDERS
from tests.benchmark.machine import describe
from tests.benchmark.relay.world import Servers
from tests.benchmark.report import page, tables
from tests.chaos.page import section_of, with_section

_RESULTS = Path("build/bench.json")
_PAGE = Path("docs/benchmarks.md")
_PARTS = ("hop", "ingest", "relay", "latency", "neighbours", "scaling", "dead")


def main() -> None:
    options = _options()
    console = Console()
    scale = Scale(
        options.hops, options.repetitions, options.count, options.seconds, options.dead_letters
    )
    parts = options.parts or _PARTS
    results: Results = {}
    with Servers() as servers:
        results["machine"] = describe(servers)
        bench = Bench(servers, scale, options.contenders, lambda line: console.print(line))
        for name in _PARTS:
            if name in parts:
                results |= getattr(bench, name)()
    for table in tables(results):
        console.print(table)
    _RESULTS.parent.mkdir(exist_ok=True)
    _RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    if set(parts) == set(_PARTS):
        _PAGE.write_text(with_section(page(results), section_of(_PAGE.read_text())))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*_PARTS, []], metavar="PART",
                        help=f"of {', '.join(_PARTS)}; all, if none is named")  # fmt: skip
    parser.add_argument("--hops", type=int, default=20_000, help="hops of the quickest contender")
    parser.add_argument("--repetitions", type=int, default=5, help="laps of each contender")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=[*CONTENDERS])
    parser.add_argument("--count", type=int, default=6000, help="notifications through the relay")
    parser.add_argument("--seconds", type=float, default=30, help="length of each even load")
    parser.add_argument("--dead-letters", type=int, default=100_000, help="in the dead queue")
    return parser.parse_args()


if __name__ == "__main__":
    main()
