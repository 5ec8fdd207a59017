"""`make chaos-cluster`: ends with 0 only if nothing was lost, twice or false, and no standstill
was longer than its aim."""

import argparse
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.cluster.network import enter_alone
from tests.cluster.run import Run, play_timeline, write
from tests.cluster.timeline import ASYNCHRONOUS, LONG, SHORT


def main() -> int:
    said = _arguments()
    enter_alone()
    console = Console(highlight=False, soft_wrap=True)
    folder = said.logs or Path(tempfile.mkdtemp(prefix="budkavle-cluster-"))
    wrongs: list[str] = []
    figures: list[dict[str, Any]] = []
    for run in _runs(said, folder, console):
        run.show(console)
        wrongs += run.wrongs
        figures.append(run.figures)  # now: the load of the machine is one of them
        write(figures, said.figures)  # after each: the next one may fail
    if wrongs:
        console.print(f"[red bold]{'; '.join(wrongs)}[/red bold]\nLogs: {folder}")
        return 1
    if not said.logs:
        shutil.rmtree(folder)
    console.print("[green bold]Nothing lost, nothing twice, nothing false.[/green bold]")
    return 0


def _runs(said: argparse.Namespace, folder: Path, console: Console) -> Iterator[Run]:
    play = partial(play_timeline, seed=said.seed, say=console.print, khepri=said.khepri)
    if said.short:
        yield play(SHORT, folder=folder)
    else:
        yield play(LONG, folder=folder)
        yield play(ASYNCHRONOUS, folder=folder / "asynchronous", synchronous=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--short", action="store_true", help="the form that CI runs")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--khepri", action="store_true", help="of RabbitMQ 4, not Mnesia")
    parser.add_argument("--logs", type=Path, help="keep the logs of all processes in this folder")
    parser.add_argument(
        "--figures", type=Path, default=Path("build/chaos-cluster.json"), help="where to write them"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
