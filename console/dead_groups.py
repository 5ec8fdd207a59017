"""Dead letters that are alike, counted together: what an operator decides about at once. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from console.dead_letters import Letter, fingerprint
from shared.relay.broker import Envelope


@dataclass(slots=True)
class Group:
    """Letters of one stage, reason, error fingerprint and booking system."""

    id: str
    stage: str
    reason: str
    error: str  # the fingerprint
    source_systems: tuple[str, ...]
    example: str  # a letter's id
    count: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    replays: int = 0  # how often the letter that was replayed most often was

    def add(self, letter: Letter) -> None:
        self.count += 1
        self.replays = max(self.replays, letter.replays)
        if letter.dead_since is not None:
            self.oldest = min(self.oldest or letter.dead_since, letter.dead_since)
            self.newest = max(self.newest or letter.dead_since, letter.dead_since)


def grouped(letters: Iterable[tuple[Letter, Envelope]]) -> list[Group]:
    """The largest first. Holds the groups in memory, not the letters."""
    groups: dict[str, Group] = {}
    for letter, envelope in letters:
        group = groups.get(letter.group)
        if group is None:
            group = groups[letter.group] = _group_of(letter, envelope)
        group.add(letter)
    return sorted(groups.values(), key=lambda group: -group.count)


def _group_of(letter: Letter, envelope: Envelope) -> Group:
    return Group(
        id=letter.group,
        stage=letter.stage,
        reason=letter.reason,
        error=fingerprint(envelope),
        source_systems=letter.source_systems,
        example=letter.id,
    )
