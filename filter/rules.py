"""What of a request is ours, and what its engagements say together. Pure.

Sources: docs/domain.md, "ProcessNotification" and "What removal means".
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from shared.booking.identity import SCHEDULING, BookingKey, hsa_key, service_domain
from shared.booking.messages import Engagement


class DropReason(StrEnum):
    """Why an engagement, or a request of which nothing is left, goes no further."""

    OTHER_DOMAIN = "other_domain"  # the national index may send us other domains too
    NOT_ACTIVATED = "not_activated"  # its booking system is not in our register
    CORRECTED = "corrected"  # removed and created again at once: only attributes of it changed
    REPEATED = "repeated"  # the same booking stands in the request more than once
    NOTHING_OURS = "nothing_ours"  # of the whole request, for more than one of these reasons


class Dropped(NamedTuple):
    """An engagement that goes no further."""

    reason: DropReason
    engagement: Engagement


@dataclass(frozen=True, slots=True)
class Event:
    """An engagement and its place in the request, from which its ids are made."""

    position: int
    engagement: Engagement
    #: The same request removes an entry of this booking too, so it is not a new booking.
    corrects: bool = False

    @property
    def deleted(self) -> bool:
        return self.engagement.deleted

    @property
    def booking(self) -> BookingKey:
        return self.engagement.booking


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one booking. `replaces` is the one it took over from, on a rebooking."""

    event: Event
    replaces: BookingKey | None = None


def is_scheduling(engagement: Engagement) -> bool:
    return service_domain(engagement.service_domain) == SCHEDULING


def why_not_ours(engagement: Engagement, activated: Container[str]) -> DropReason | None:
    """None when it is ours. `activated` holds the `hsa_key` of booking systems.

    The categorization is not judged: it is one of a few words today, and nothing we do follows
    from it. What the booking is, its booking system says.
    """
    if not is_scheduling(engagement):
        return DropReason.OTHER_DOMAIN
    return None if hsa_key(engagement.source_system) in activated else DropReason.NOT_ACTIVATED


def one_per_booking(events: Iterable[Event]) -> tuple[list[Event], list[Dropped]]:
    """The one event of each booking that goes on, in their order, and why the others do not.

    Of a removal and a creation of one booking the creation goes on, in whichever order they
    stand: the index still holds an entry, so only some attribute of its key was corrected.
    """
    of_booking: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        of_booking[event.booking.digest].append(event)
    kept: list[Event] = []
    dropped: list[Dropped] = []
    for same in of_booking.values():
        if len(same) == 1:  # as nearly always
            kept += same
            continue
        chosen = _telling(same)
        needless = [_why_needless(event, chosen) for event in same if event is not chosen]
        corrects = any(reason is DropReason.CORRECTED for reason, _ in needless)
        kept.append(replace(chosen, corrects=corrects))
        dropped.extend(needless)
    return sorted(kept, key=lambda event: event.position), dropped


def pair(events: Sequence[Event]) -> list[Change]:
    """Changes in the order of `events`, with a rebooking by remove-and-create as one change.

    They are a pair when the patient has exactly one removal and exactly one new booking in that
    booking system. Anything else is ambiguous and nothing is guessed.
    """
    groups: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        groups[_patient_and_system(event)].append(event)
    changes = (change for group in groups.values() for change in _changes(group))
    return sorted(changes, key=lambda change: change.event.position)


def _telling(same: Sequence[Event]) -> Event:
    """Of the events of one booking the last creation, or the last removal if there is none."""
    return max(same, key=lambda event: (not event.deleted, event.position))


def _why_needless(event: Event, chosen: Event) -> Dropped:
    repeated = event.deleted == chosen.deleted
    return Dropped(DropReason.REPEATED if repeated else DropReason.CORRECTED, event.engagement)


def _patient_and_system(event: Event) -> tuple[str, str]:
    return event.engagement.patient.upper(), hsa_key(event.engagement.source_system)


def _changes(group: Sequence[Event]) -> list[Change]:
    """What the events of one patient in one booking system amount to."""
    removed = [event for event in group if event.deleted]
    created = [event for event in group if not (event.deleted or event.corrects)]
    if not len(removed) == len(created) == 1:
        return [Change(event) for event in group]
    others = [Change(event) for event in group if event not in (*removed, *created)]
    return [Change(created[0], replaces=removed[0].booking), *others]
