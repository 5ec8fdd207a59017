"""The figures of a run: as a table, as `build/chaos.json`, and as what went wrong."""

import os
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from shared import __version__
from tests.chaos.accounts import DeadAccount, Judged, NoticeAccount
from tests.chaos.cases import Case
from tests.chaos.ledger import Message
from tests.chaos.plan import Options

_SHOWN = 10

#: What must be nothing.
_ZERO = (
    "lost", "duplicated", "second_messages", "false_kinds", "notices_twice", "notices_missing",
    "dead_unexplained", "dead_missing", "refused", "index_dead", "stuck", "undrained",
    "crashed", "bugs", "leaks", "after_deactivation",
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    options: Options
    seconds: float
    judged: list[Judged]
    strangers: list[Message]
    after_deactivation: list[Message]
    notices: NoticeAccount
    dead: DeadAccount
    load: Counter[str]
    stuck: list[Case]
    havoc: Counter[str]
    kills: Counter[str]  # by stage
    crashed: list[str]
    undrained: Mapping[str, int]
    bugs: list[str]
    leaks: list[str]

    @property
    def figures(self) -> dict[str, Any]:
        lost = sum(one.lost for one in self.judged)
        expected = sum(len(one.expected) for one in self.judged)
        return {
            "accepted": self.load["accepted"],
            "expected": expected,
            "found": expected - lost,
            "lost": lost,
            "lost_cancellations": sum(one.lost_cancellations for one in self.judged),
            "duplicated": sum(one.duplicated for one in self.judged),
            "second_messages": sum(one.second for one in self.judged),
            "notices_twice": self.notices.twice,
            "uncertain": self.notices.uncertain,
            "false_kinds": sum(one.false for one in self.judged) + len(self.strangers),
            "dead_unexplained": len(self.dead.unexplained),
            "kills": self.havoc["kills"],
            "broker_restarts": self.havoc["broker_restarts"],
            "database_restarts": self.havoc["database_restarts"],
            **self._more(),
        }

    def _more(self) -> dict[str, Any]:
        begun = [one for one in self.judged if one.is_begun]
        return {
            "seed": self.options.seed,
            "seconds": round(self.seconds, 1),
            "machine_load": round(os.getloadavg()[1], 1),
            "version": __version__,
            "python": platform.python_version(),
            "sources": self.options.sources,
            "inbox": sum(len(one.told) for one in self.judged) + len(self.strangers),
            "only_one_telling": sum(1 for one in self.judged if one.only),
            "cases": len(self.judged),
            "requests": self.load["requests"],
            "sent_again": self.load["sent_again"],
            "index_dead": self.load["index_dead"],
            "activated": self.load["activated"],
            "refused": self.load["refused"],
            "stuck": len(self.stuck),
            "notices_due": self.notices.due,
            "notices_sent": self.notices.sent,
            "uncertain_received": self.notices.uncertain_received,
            "notices_missing": len(self.notices.missing),
            "dead_explained": self.dead.explained.total(),
            "dead_missing": len(self.dead.missing),
            "kills_of": dict(self.kills),
            "orderly_ends": self.havoc["orderly_ends"],
            "broker_kills": self.havoc["broker_kills"],
            "broker_outages": self.havoc["broker_outages"],
            "database_kills": self.havoc["database_kills"],
            "cut_connections": self.havoc["cut_connections"],
            "silences": self.havoc["silences"],
            "source_faults": self.havoc["source_faults"],
            "provider_faults": self.havoc["provider_faults"],
            "undrained": sum(self.undrained.values()),
            "crashed": len(self.crashed),
            "bugs": len(self.bugs),
            "leaks": len(self.leaks),
            "after_deactivation": len(self.after_deactivation),
            "replayed": self.havoc["replayed"],
            "lagging": sum(one.case.lags for one in begun),
            "stories": dict(sorted(Counter(one.case.story for one in begun).items())),
        }

    @property
    def wrongs(self) -> list[str]:
        """The figures that are not what they must be."""
        figures = self.figures
        wrongs = [f"{name} is {figures[name]}, not 0" for name in _ZERO if figures[name]]
        if self.options.seconds is None and figures["accepted"] != self.options.count:
            wrongs.append(f"accepted is {figures['accepted']}, not {self.options.count}")
        return wrongs

    @property
    def closing_line(self) -> str:
        """The whole run in one line."""
        figures = self.figures
        run = (
            f"{figures['accepted']} notifications, {figures['cases']} visits,"
            f" {figures['inbox']} messages in {self.seconds / 60:.1f} minutes, seed"
            f" {self.options.seed}, load {figures['machine_load']} on {os.cpu_count()} cores"
        )
        if self.wrongs:
            return f"CHAOS FAILED: {'; '.join(self.wrongs)} ({run})"
        return f"CHAOS PASSED: nothing lost, nothing twice, nothing false ({run})"

    def details(self) -> Iterator[str]:
        """The first of everything that went wrong, for whoever looks for the reason."""
        unsound = [one for one in self.judged if one.wrongs]
        for one in unsound[:_SHOWN]:
            yield (
                f"{one.case.story} of {one.case.patient} at {one.case.source.hsa_id}:"
                f"{' (lagging)' if one.case.lags else ''} lost {one.lost}, duplicated"
                f" {one.duplicated}, second {one.second}, false {one.false}"
                f" {sorted(one.case.bookings)}\n"
                f"    told     {one.told}\n    expected {one.expected}"
            )
        others: dict[str, Sequence[object]] = {
            "stranger": self.strangers,
            "after the deactivation": self.after_deactivation,
            "stuck": self.stuck,
            "notice missing": self.notices.missing,
            "dead, unexplained": self.dead.unexplained,
            "dead letter missing": self.dead.missing,
            "crashed": self.crashed,
            "undrained": list(self.undrained.items()),
            "bug": self.bugs,
            "person in the log": self.leaks,
        }
        for name, things in others.items():
            yield from (f"{name}: {thing}" for thing in things[:_SHOWN])

    def show(self, console: Console) -> None:
        table = Table("figure", "value", title=f"Chaos, seed {self.options.seed}")
        for name, value in self.figures.items():
            bad = name in _ZERO and value
            table.add_row(name, f"[red bold]{value}[/red bold]" if bad else str(value))
        console.print(table)
        for detail in self.details():
            console.print(detail, markup=False)
