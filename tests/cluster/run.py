"""One run of a timeline: its accounts and its standstills."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from composer.settings import ComposerSettings
from fetcher.settings import FetcherSettings
from shared.relay.topology import STAGES
from tests.chaos.plan import Options
from tests.chaos.play import play
from tests.chaos.report import Report
from tests.cluster.conductor import Conductor
from tests.cluster.database import Pair
from tests.cluster.nodes import Cluster
from tests.cluster.plain import plain
from tests.cluster.standstill import Standstill, measure
from tests.cluster.timeline import SHORT, Timeline

#: Notifications a second; of those planned for the short form two in five are plain. CI has two
#: processors for three brokers, two databases and the relay.
_BUSY, _CALM = 25, 20
#: In the short form a removal waits for its replacement for so many seconds longer than a node is
#: away: one half of a rebooking may be held there. The long form waits as everybody does.
_PAIRING_BEYOND = 31.0
_PAIRING, _PATIENCE = "composer_pairing_seconds", "fetcher_patience_seconds"
#: How long the nodes may take in all to start and to catch up.
_MOST_SECONDS = 500


@dataclass(frozen=True)
class Run:
    """`judged`: losses are the relay's fault, which those of an asynchronous standby are not."""

    report: Report
    standstills: list[Standstill]
    broker: str
    database: str
    judged: bool

    @property
    def wrongs(self) -> list[str]:
        slow = [
            f"{one.happened.incident.title}: stood still for {one.longest:.1f} s,"
            f" not under {one.happened.incident.aim:g} s"
            for one in self.standstills
            if one.too_long
        ]
        return [*(self.report.wrongs if self.judged else ()), *slow]

    @property
    def figures(self) -> dict[str, Any]:
        rows = [one.as_row() for one in self.standstills]
        wrongs = self.report.wrongs
        return {
            "broker": self.broker,
            "database": self.database,
            "wrongs": wrongs,
            "standstills": rows,
            "nodes_restarted_by_hand": self.report.havoc["nodes_restarted_by_hand"],
            **self.report.figures,
        }

    def show(self, console: Console) -> None:
        self.report.show(console)
        table = Table("what", *STAGES, "aim", title=f"Longest standstill, s ({self.broker})")
        for one in self.standstills:
            table.add_row(*map(str, one.as_row().values()))
        console.print(table)


def write(figures: Sequence[dict[str, Any]], file: Path) -> None:
    """Those of each run."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(figures, indent=2) + "\n")


def play_timeline(
    timeline: Timeline,
    seed: int,
    folder: Path,
    say: Callable[[str], None],
    *,
    synchronous: bool = True,
    khepri: bool = False,
) -> Run:
    """Logs go to `folder`. `khepri`: RabbitMQ 4 keeps its metadata there, and not in Mnesia."""
    folder.mkdir(exist_ok=True)
    conductors: list[Conductor] = []
    with Cluster(khepri=khepri) as cluster, Pair(synchronous=synchronous) as database:
        direct = partial(Conductor, cluster=cluster, database=database, timeline=timeline, say=say)

        def begin(*arguments: Any) -> Conductor:
            conductors.append(direct(*arguments))
            return conductors[0]

        report = asyncio.run(
            play(
                _options(timeline, seed),
                cluster,
                database,
                folder,
                say,
                trouble=begin,
                settings=_settings(timeline),
                narrow=plain if timeline is SHORT else lambda plan: plan,
            )
        )
        versions = cluster.version, database.version
    standstills = measure(conductors[0].happened, folder)
    return Run(report, standstills, *versions, judged=synchronous)


def _settings(timeline: Timeline) -> dict[str, str]:
    """Those of the waits that decide what a patient is told."""
    waits = {
        _PAIRING: ComposerSettings.model_fields[_PAIRING].default,
        _PATIENCE: FetcherSettings.model_fields[_PATIENCE].default,
    }
    if timeline is SHORT:
        waits = {_PAIRING: _PAIRING_BEYOND + max(one.lasts for one in timeline)}
    return {f"BUDKAVLE_{name.upper()}": f"{seconds:g}" for name, seconds in waits.items()}


def _options(timeline: Timeline, seed: int) -> Options:
    """A load that outlasts the timeline, at whose end it ends."""
    per_second = _CALM if timeline is SHORT else _BUSY
    seconds = _MOST_SECONDS + sum(one.lasts + one.rest + one.behind for one in timeline)
    return Options(
        count=round(seconds * per_second),
        sources=20,
        seed=seed,
        seconds=seconds / 0.9,
        per_second=per_second,
    )
