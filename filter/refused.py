"""Engagements that ingest refused, parsed again by the current rules. Pure.

Most still cannot be taken: they become dead letters, one for each booking system. A replayed dead
letter is parsed here too, perhaps after the rules have changed.

The parser and lxml are imported when there is one: most filters never see one and do without 4 MiB.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from shared.base.ids import spell
from shared.booking.identity import hsa_key
from shared.booking.messages import Engagement, Notification, RefusedEngagement

if TYPE_CHECKING:
    from shared.riv.engagements import Flaw


class StillRefused(ValueError):
    """The engagements of a dead letter cannot be taken. Names elements, never values."""


class OddEngagement(NamedTuple):
    """What is wrong with one engagement, and what is known of it."""

    source_system: str  # "" when it could not be read
    element: str
    flaw: "Flaw"
    refused: RefusedEngagement


class Reread(NamedTuple):
    """Refused engagements after the second parsing."""

    taken: tuple[Engagement, ...]
    odd: tuple[OddEngagement, ...]


def reread(refused: Iterable[RefusedEngagement]) -> Reread:
    from shared.riv.engagements import Unacceptable, read_document

    taken: list[Engagement] = []
    odd: list[OddEngagement] = []
    for one in refused:
        try:
            taken.append(read_document(one.document))
        except Unacceptable as why:
            source = why.source_system or one.source_system
            odd.append(OddEngagement(source, why.element, why.flaw, one))
    return Reread(tuple(taken), tuple(odd))


def by_system(notification: Notification, odd: Iterable[OddEngagement]) -> Iterator[Notification]:
    """One message for the refused engagements of each booking system.

    Its id follows from the notification's, so it is the same on redelivery.
    """
    of_system: dict[str, list[RefusedEngagement]] = defaultdict(list)
    for verdict in odd:
        of_system[hsa_key(verdict.source_system)].append(verdict.refused)
    for number, refused in enumerate(of_system.values()):
        name = f"{notification.notification_id}.r{spell(number)}"
        yield notification.model_copy(
            update={
                "notification_id": name,
                "engagements": (),
                "refused": tuple(refused),
                "removed_before": (),
            }
        )


def explained(odd: tuple[OddEngagement, ...]) -> StillRefused:
    """The reason of the first engagement, and how many there are."""
    more = f"; {len(odd)} engagements" if len(odd) > 1 else ""
    return StillRefused(f"{odd[0].refused.problem}{more}")
