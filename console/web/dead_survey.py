"""The dead letters as they were read last: groups, and some letters of each.

Reading a hundred thousand takes seconds, and on RabbitMQ holds them. So it is done in the
background, and read again when somebody looks and the last reading was a while ago.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from console.dead_groups import Group, grouped
from console.dead_letters import Letter, Selection
from shared.base.clock import utcnow
from shared.relay.broker import Broker, Envelope
from shared.relay.topology import READING_STAGES, Place

#: So many letters of each group are kept for its page, the oldest.
SHOWN = 50
FRESH = timedelta(seconds=15)

Found = tuple[Letter, Envelope]


@dataclass(frozen=True, slots=True)
class Survey:
    """One reading of one place."""

    at: datetime
    groups: Sequence[Group]
    letters: Mapping[str, Sequence[Found]]


def survey_of(broker: Broker, place: Place, by: str) -> Survey:
    """Raises `BrokerUnavailable`; `DeadQueueBusy` when another operator holds them."""
    at, kept = utcnow(), dict[str, list[Found]]()
    letters = Selection(READING_STAGES).find(broker, place, by=by)
    return Survey(at, grouped(_keeping(letters, kept)), kept)


def _keeping(letters: Iterable[Found], kept: dict[str, list[Found]]) -> Iterator[Found]:
    for found in letters:
        of_group = kept.setdefault(found[0].group, [])
        if len(of_group) < SHOWN:
            of_group.append(found)
        yield found
