"""`make chaos-cluster`: ends with 0 only if nothing was lost, twice or false, and no standstill
was longer than its aim."""

import argparse
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.cluster.network import enter_alone
from tests.cluster.run import Run, play_timeline
from tests.cluster.timeline import ASYNCHRONOUS, LONG, SHORT


def main() -> int:
    said = _arguments()
    enter_alone()
    console = Console(highlight=False, soft_wrap=True)
    folder = said.logs or Path(tempfile.mkdtemp(prefix="budkavle-cluster-"))
    folder.mkdir(exist_ok=True)
    timeline = SHORT if said.short else LONG
    run = play_timeline(timeline, said.seed, folder, console.print)
    run.show(console)
    runs = [run]
    if not said.short:
        lag = play_timeline(ASYNCHRONOUS, said.seed, folder, console.print, synchronous=False)
        lag.show(console)
        runs.append(lag)
    Run.write(runs, said.figures)
    if run.wrongs:
        console.print(f"[red bold]{'; '.join(run.wrongs)}[/red bold]\nLogs: {folder}")
        return 1
    if not said.logs:
        shutil.rmtree(folder)
    console.print("[green bold]Nothing lost, nothing twice, nothing false.[/green bold]")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--short", action="store_true", help="the form that CI runs")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--logs", type=Path, help="keep the logs of all processes in this folder")
    parser.add_argument(
        "--figures", type=Path, default=Path("build/chaos-cluster.json"), help="where to write them"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
