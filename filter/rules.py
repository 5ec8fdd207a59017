"""Which engagements of a request are ours, and what happened to each booking. Pure.

Sources: docs/domain.md, "ProcessNotification" and "What removal means".
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from shared.booking.identity import BookingKey, hsa_key
from shared.booking.messages import Engagement, RequestMember

#: Of more bookings of one patient in one request, only those with the same id are named together.
_MOST_MEMBERS = 50


class EngagementDropReason(StrEnum):
    """Why an engagement is dropped, or a request of which nothing is left."""

    OTHER_DOMAIN = "other_domain"  # the national index may send us other domains too
    NOT_ACTIVATED = "not_activated"  # its booking system is not in our register
    CORRECTED = "corrected"  # removed and created again at once: only attributes of it changed
    REPEATED = "repeated"  # the same booking stands in the request more than once
    NOTHING_OURS = "nothing_ours"  # of the whole request, for more than one of these reasons


class Dropped(NamedTuple):
    """An engagement that is dropped, and why."""

    reason: EngagementDropReason
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
    """What happened to one booking, and what else of the request may belong to it."""

    event: Event
    same_request: tuple[RequestMember, ...] = ()
    renumbered: str | None = None  # the other person number


def why_not_ours(engagement: Engagement, activated: Container[str]) -> EngagementDropReason | None:
    """None when it is ours. `activated` holds the `hsa_key` of booking systems.

    The categorization is not used: nothing follows from it. The booking system says what kind of
    booking it is.
    """
    if not engagement.is_scheduling:
        return EngagementDropReason.OTHER_DOMAIN
    return (
        None
        if hsa_key(engagement.source_system) in activated
        else EngagementDropReason.NOT_ACTIVATED
    )


def one_per_booking(events: Iterable[Event]) -> tuple[list[Event], list[Dropped]]:
    """The one event of each booking that is kept, in order, and the dropped ones with their reason.

    Of a removal and a creation of one booking the creation is kept, whatever their order: the
    index still holds an entry, so only an attribute of its key was corrected.
    """
    of_booking: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        of_booking[event.booking.digest].append(event)
    kept: list[Event] = []
    dropped: list[Dropped] = []
    for same in of_booking.values():
        if len(same) == 1:  # the usual case
            kept += same
            continue
        chosen = _telling(same)
        needless = [_why_needless(event, chosen) for event in same if event is not chosen]
        corrects = any(reason is EngagementDropReason.CORRECTED for reason, _ in needless)
        kept.append(replace(chosen, corrects=corrects))
        dropped.extend(needless)
    return sorted(kept, key=lambda event: event.position), dropped


def changes_of(events: Sequence[Event]) -> list[Change]:
    """What happened to each booking, removals first, so that the source is asked about them first.

    Which creation replaces which removal is not decided here: that needs the source's reply to
    both.
    """
    renumbered = _renumbered(events)
    groups: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        groups[_patient_and_system(event)].append(event)
    changes = [
        Change(event, members, renumbered.get(event.position))
        for group in groups.values()
        for event, members in _with_members(group)
    ]
    return sorted(changes, key=lambda change: (not change.event.deleted, change.event.position))


def _telling(same: Sequence[Event]) -> Event:
    """The last creation among the events of one booking, or the last removal if there is none."""
    return max(same, key=lambda event: (not event.deleted, event.position))


def _why_needless(event: Event, chosen: Event) -> Dropped:
    repeated = event.deleted == chosen.deleted
    return Dropped(
        EngagementDropReason.REPEATED if repeated else EngagementDropReason.CORRECTED,
        event.engagement,
    )


def _patient_and_system(event: Event) -> tuple[str, str]:
    return event.engagement.patient.upper(), hsa_key(event.engagement.source_system)


def _with_members(group: Sequence[Event]) -> Iterator[tuple[Event, tuple[RequestMember, ...]]]:
    """Each event of one patient in one booking system, with those that may belong to it."""
    new_or_gone = [event for event in group if not event.corrects]
    if len({event.deleted for event in new_or_gone}) < 2:
        yield from ((event, ()) for event in group)
        return
    for event in group:
        others = [] if event.corrects else [one for one in new_or_gone if one is not event]
        if len(others) > _MOST_MEMBERS:
            booking_id = event.booking.booking_id
            others = [one for one in others if one.booking.booking_id == booking_id]
        yield event, tuple(RequestMember(booking=o.booking, deleted=o.deleted) for o in others)


def _renumbered(events: Sequence[Event]) -> dict[int, str]:
    """The other person number of bookings removed under one number and created under another.

    By the event's place in the request.
    """
    same_booking: dict[tuple[str, str, str], list[Event]] = defaultdict(list)
    for event in events:
        same_booking[event.booking.visit].append(event)
    other: dict[int, str] = {}
    for same in same_booking.values():
        if len(same) == 2 and same[0].deleted != same[1].deleted:
            first, second = same
            other[first.position] = second.booking.patient
            other[second.position] = first.booking.patient
    return other
