"""`make chaos` or `python -m tests.chaos`: ends with 0 only if nothing was lost, twice or false."""

import argparse
import asyncio
import json
import logging
import secrets
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console

from tests.benchmark.machine import commit
from tests.chaos.page import section, with_section
from tests.chaos.plan import Options
from tests.chaos.play import play
from tests.chaos.report import Report
from tests.services import PostgreSQL, RabbitMQ

_FIGURES = Path("build/chaos.json")
_PAGE = Path("docs/benchmarks.md")
_INTERRUPTED = 130


def main() -> int:
    said = _arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    keep, publish = said.pop("logs"), said.pop("publish")
    options = Options(**said)
    console = Console(highlight=False, soft_wrap=True)
    folder = keep or Path(tempfile.mkdtemp(prefix="budkavle-chaos-"))
    folder.mkdir(exist_ok=True)
    try:
        report = _run(options, console, folder)
    except KeyboardInterrupt:
        console.print(f"Interrupted; everything is stopped. Logs: {folder}")
        return _INTERRUPTED
    report.show(console)
    _FIGURES.parent.mkdir(exist_ok=True)
    _FIGURES.write_text(json.dumps(report.figures, indent=2) + "\n")
    if report.wrongs:
        console.print(f"Again: --seed {options.seed}. Logs: {folder}")
        console.print(f"[red bold]{report.closing_line}[/red bold]")
        return 1
    if not keep:
        shutil.rmtree(folder)
    if publish:
        _publish(report)
    console.print(f"[green bold]{report.closing_line}[/green bold]")
    return 0


def _publish(report: Report) -> None:
    """In docs/benchmarks.md, where the zeros of this run replace those of the last."""
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    of_chaos = section(report.figures, date=date, commit=commit())
    _PAGE.write_text(with_section(_PAGE.read_text(), of_chaos))


def _run(options: Options, console: Console, folder: Path) -> Report:
    with RabbitMQ() as broker, PostgreSQL() as database:
        return asyncio.run(play(options, broker, database, folder, console.print))


def _arguments() -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="notifications (20000)")
    parser.add_argument("--sources", type=int, default=40, help="booking systems (40)")
    parser.add_argument("--duplicates", type=float, default=0.05, help="share sent again (0.05)")
    parser.add_argument("--seed", type=int, help="of an earlier run, to repeat it")
    parser.add_argument("--seconds", type=float, help="begin nothing after so long, then drain")
    parser.add_argument("--logs", type=Path, help="keep the logs of all processes in this folder")
    parser.add_argument("--publish", action="store_true", help="zeros go to docs/benchmarks.md")
    said = vars(parser.parse_args())
    said["seed"] = secrets.randbelow(1_000_000) if said["seed"] is None else said["seed"]
    return said


if __name__ == "__main__":
    sys.exit(main())
