"""The progress of a replay on the operator's terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from console.replay import OnProgress
from console.replay import Progress as ReplayProgress


@contextmanager
def replay_bar(total: int) -> Iterator[OnProgress]:
    """A bar on standard error, where that is a terminal. `total`: letters to be looked at."""
    if not sys.stderr.isatty():
        yield lambda _progress: None
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)

        def show(progress: ReplayProgress) -> None:
            bar.update(task, completed=progress.looked_at, description=_described(progress))

        yield show


def _described(progress: ReplayProgress) -> str:
    return (
        f"replayed {progress.replayed}, passed {progress.passed}, came back {progress.came_back},"
        f" to be tried again {progress.waiting}"
    )
