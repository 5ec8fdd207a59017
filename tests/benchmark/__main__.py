"""`python -m tests.benchmark [PART…]`: measure, print, and write `build/bench.json`.

Each part replaces its own figures there and leaves the others. A part that fails is named at the
end, and the others are measured all the same. A run of all parts writes the pages in `docs/`, and
so does `publish`, a part that measures nothing, from the figures that are there.
"""

import argparse
import sys
import time
import traceback

from rich.console import Console

from tests.benchmark.bench import PARTS, Bench, Results, Scale
from tests.benchmark.goals import goals
from tests.benchmark.hop.contender import CONTENDERS
from tests.benchmark.machine import describe, moment
from tests.benchmark.publish import publish
from tests.benchmark.relay.world import Servers
from tests.benchmark.report import goals_table, tables
from tests.benchmark.results import (
    load_comparison,
    load_results,
    save_results,
    with_failure,
    with_part,
)

_PUBLISH = "publish"


def main() -> int:
    options = _options()
    asked = options.parts or [*PARTS, _PUBLISH]
    parts = [name for name in PARTS if name in asked]
    results = Run(options, Console(), load_results()).measure(parts)
    compared = load_comparison()
    console = Console()
    for table in [*tables(results), goals_table(goals(results, compared))]:
        console.print(table)
    if _PUBLISH in asked:
        publish(results, compared)
    failed = [name for name in parts if name in results["failed"]]
    if failed:
        console.print(f"Failed: {', '.join(failed)}", style="bold red")
    return 1 if failed else 0


class Run:
    """Measures one part after the other, with new servers after one that failed."""

    def __init__(self, options: argparse.Namespace, console: Console, results: Results) -> None:
        self._options = options
        self._console = console
        self._results = results

    def measure(self, parts: list[str]) -> Results:
        """What is known afterwards; `build/bench.json` holds it after each part."""
        waiting = list(parts)
        while waiting:
            with Servers() as servers:
                self._results["machine"] = describe(servers)
                bench = Bench(servers, _scale(self._options), self._options.contenders, self._log)
                while waiting and self._succeeds(bench, waiting.pop(0)):
                    pass
        return self._results

    def _succeeds(self, bench: Bench, part: str) -> bool:
        measured, began = moment(), time.monotonic()
        try:
            found = getattr(bench, part)()
        except Exception as error:  # noqa: BLE001 - one part must not cost the others
            self._log(traceback.format_exc())
            self._results = with_failure(self._results, part, error)
        else:
            measured["seconds"] = f"{time.monotonic() - began:.0f}"
            self._results = with_part(self._results, part, found, measured)
        save_results(self._results)
        return part not in self._results["failed"]

    def _log(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False)


def _scale(options: argparse.Namespace) -> Scale:
    return Scale(
        hops=options.hops,
        repetitions=options.repetitions,
        load_seconds=options.load_seconds,
        seconds=options.seconds,
        rows=options.rows,
        backlog=options.backlog,
        sms=options.sms,
        dead_letters=options.dead_letters,
        pilot=options.pilot,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    names = [*PARTS, _PUBLISH]
    parser.add_argument("parts", nargs="*", choices=[*names, []], metavar="PART",
                        help=f"of {', '.join(names)}; all, if none is named")  # fmt: skip
    parser.add_argument("--hops", type=int, default=15_000, help="hops of the quickest contender")
    parser.add_argument("--repetitions", type=int, default=3, help="laps of each contender")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=[*CONTENDERS])
    parser.add_argument("--load-seconds", type=float, default=30, help="of as much as is taken")
    parser.add_argument("--seconds", type=float, default=15, help="length of each even load")
    parser.add_argument("--rows", type=int, default=2_000_000, help="messages in the full database")
    parser.add_argument("--backlog", type=int, default=100_000, help="messages in one queue")
    parser.add_argument("--sms", type=int, default=3000, help="SMS over TLS")
    parser.add_argument("--dead-letters", type=int, default=100_000, help="in the dead queue")
    parser.add_argument("--pilot", type=int, default=1000, help="notifications, all on SQLite")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
