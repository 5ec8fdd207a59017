"""How long nothing went on, from the outcomes in the stages' logs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from shared.relay.topology import STAGES
from tests.cluster.conductor import Happened

#: What a stage logs when it got somewhere; the rest is waiting for somebody.
_PROGRESS = frozenset({"publish", "done", "drop"})


@dataclass(frozen=True, slots=True)
class Standstill:
    """The longest time without progress in each stage during one incident, in seconds."""

    happened: Happened
    seconds: dict[str, float]

    @property
    def longest(self) -> float:
        return max(self.seconds.values())

    @property
    def too_long(self) -> bool:
        return self.longest > self.happened.incident.aim

    def as_row(self) -> dict[str, object]:
        figures = {stage: round(seconds, 1) for stage, seconds in self.seconds.items()}
        aim = self.happened.incident.aim
        return {"what": self.happened.incident.title, **figures, "aim": aim}


def measure(happened: Sequence[Happened], folder: Path) -> list[Standstill]:
    progress = {stage: sorted(_progress_of(stage, folder)) for stage in STAGES}
    return [
        Standstill(one, {stage: longest_gap(progress[stage], one) for stage in STAGES})
        for one in happened
    ]


def longest_gap(moments: Sequence[datetime], happened: Happened) -> float:
    """Of the gaps between `moments` that begin or end while it happened; those at its edges too."""
    within = [moment for moment in moments if happened.began <= moment <= happened.ended]
    gaps = pairwise([happened.began, *within, happened.ended])
    return max((after - before).total_seconds() for before, after in gaps)


def _progress_of(stage: str, folder: Path) -> Iterator[datetime]:
    for file in folder.glob(f"{stage}-*.log"):
        with file.open(errors="replace") as lines:
            yield from filter(None, map(_moment, lines))


def _moment(line: str) -> datetime | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if entry.get("outcome") not in _PROGRESS:
        return None
    return datetime.fromisoformat(entry["timestamp"])
