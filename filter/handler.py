"""Decides which changes of a notification are for activated booking systems."""

from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from filter.refused import OddEngagement, by_system, explained, reread
from filter.rules import (
    Change,
    Dropped,
    EngagementDropReason,
    Event,
    changes_of,
    one_per_booking,
    why_not_ours,
)
from shared.base.ids import spell
from shared.booking.identity import SCHEDULING, hsa_key
from shared.booking.inbox import PendingChange
from shared.booking.messages import BookingChange, EarlierRemoval, Notification
from shared.relay.outcomes import DeadLetter, Drop, Outcome, Publish


class ActivatedSources(Protocol):
    """The register of activated booking systems.

    `find_all` returns which of `hsa_ids` are activated here, by `hsa_key`, not older than the
    call. Raises `Unavailable` when that cannot be known; the notifications then wait.
    """

    def find_all(self, hsa_ids: Iterable[str]) -> Container[str]: ...


class ReportDropped(Protocol):
    """Counts and logs the engagements of a notification that are dropped for one `reason`.

    `systems`: how many of each booking system (`hsa_key`).
    """

    def __call__(
        self, notification: Notification, reason: EngagementDropReason, systems: Mapping[str, int]
    ) -> None: ...


class RecordDropped(Protocol):
    """Keeps, for who asks about one of them later, which bookings went no further and why."""

    def __call__(self, notification: Notification, dropped: Sequence[Dropped]) -> None: ...


def keep_nothing(notification: Notification, dropped: Sequence[Dropped]) -> None:
    """Where nobody will ask."""


class ReportRefused(Protocol):
    """Counts and logs refused engagements of one system. `kept`: as a dead letter."""

    def __call__(self, odd: tuple[OddEngagement, ...], *, activated: bool, kept: bool) -> None: ...


class StorePending(Protocol):
    """Stores what is passed on, where the composer finds it before any source has answered.

    Raises `Unavailable`; the notifications then wait.
    """

    def __call__(self, changes: Iterable[PendingChange]) -> None: ...


class FilterDeadReason(StrEnum):
    """Why a message becomes a dead letter."""

    ENGAGEMENT_REFUSED = "engagement_refused"  # of a system that is or may be activated


class Filter:
    """Turns a notification into one change for each booking of ours.

    Engagements that ingest refused never delay the others: they are published separately, as one
    notification for each booking system, and judged when that is read.
    """

    def __init__(
        self,
        sources: ActivatedSources,
        report_dropped: ReportDropped,
        report_refused: ReportRefused,
        store_pending: StorePending,
        record_dropped: RecordDropped = keep_nothing,
    ) -> None:
        self._sources = sources
        self._report_dropped = report_dropped
        self._report_refused = report_refused
        self._store_pending = store_pending
        self._record_dropped = record_dropped

    def __call__(self, notification: Notification) -> Outcome:
        [outcome] = self.handle_batch([notification])
        return outcome

    def handle_batch(self, several: Sequence[Notification]) -> list[Outcome]:
        """The outcome of each notification. The register is read once for all of them, and what
        is passed on is stored once.

        Many notifications of systems that are not activated would otherwise read it each time.
        """
        opened = [_opened(notification) for notification in several]
        systems = {system for one in opened for system in one.systems()}
        activated = self._sources.find_all(systems) if systems else ()
        outcomes = [self._handle(one, activated) for one in opened]
        pending = [change for outcome in outcomes for change in _pending(outcome)]
        pending += (change for one in opened for change in one.overtaken(activated))
        if pending:
            self._store_pending(pending)
        return outcomes

    def _handle(self, opened: "_Opened", activated: Container[str]) -> Outcome:
        if opened.is_odd_alone:
            return self._refused(opened, activated)
        if not opened.notification.engagements:
            return Publish(opened.apart)
        outcome = self._passed_on(opened.notification, activated)
        changes = outcome.messages if isinstance(outcome, Publish) else ()
        return Publish((*changes, *opened.apart)) if opened.apart else outcome

    def _refused(self, opened: "_Opened", activated: Container[str]) -> Outcome:
        """Judge refused engagements of one system.

        A system that cannot be read may be activated.
        """
        source = hsa_key(opened.odd[0].source_system)
        is_activated = source in activated
        kept = is_activated or not source
        self._report_refused(opened.odd, activated=is_activated, kept=kept)
        if kept:
            return DeadLetter(FilterDeadReason.ENGAGEMENT_REFUSED, explained(opened.odd))
        number = {source: len(opened.odd)}
        self._report_dropped(opened.notification, EngagementDropReason.NOT_ACTIVATED, number)
        return Drop(EngagementDropReason.NOT_ACTIVATED)

    def _passed_on(self, notification: Notification, activated: Container[str]) -> Outcome:
        ours, foreign = _split(notification, activated)
        events, needless = one_per_booking(ours)
        if foreign or needless:
            dropped = [*foreign, *needless]
            self._report(notification, dropped)
            if not events:
                return Drop(_common_reason({reason for reason, _ in dropped}))
        return Publish(tuple(_message(notification, change) for change in changes_of(events)))

    def _report(self, notification: Notification, dropped: Sequence[Dropped]) -> None:
        self._record_dropped(notification, dropped)
        systems: dict[EngagementDropReason, Counter[str]] = defaultdict(Counter)
        for reason, engagement in dropped:
            systems[reason][hsa_key(engagement.source_system)] += 1
        for reason, numbers in systems.items():
            self._report_dropped(notification, reason, numbers)


class _Opened(NamedTuple):
    """A notification whose refused engagements have been read again."""

    notification: Notification  # with all engagements that can be taken
    odd: tuple[OddEngagement, ...]
    apart: tuple[Notification, ...]  # the refused ones, one message for each system

    @property
    def is_odd_alone(self) -> bool:
        return len(self.apart) == 1 and not self.notification.engagements

    def systems(self) -> set[str]:
        """The booking systems that are to be looked up in the register."""
        if self.is_odd_alone:
            return {self.odd[0].source_system} - {""}
        return {one.source_system for one in self.notification.engagements if one.is_scheduling}

    def overtaken(self, activated: Container[str]) -> Iterator[PendingChange]:
        """The removals of earlier requests, which this one may have overtaken."""
        for removal in self.notification.removed_before:
            if hsa_key(removal.booking.source_system) in activated:
                yield _pending_change(removal, is_removal=True)


def _opened(notification: Notification) -> _Opened:
    if not notification.refused:
        return _Opened(notification, (), ())
    taken, odd = reread(notification.refused)
    engagements = (*notification.engagements, *taken)
    sound = notification.model_copy(update={"engagements": engagements, "refused": ()})
    return _Opened(sound, odd, tuple(by_system(notification, odd)))


def _split(
    notification: Notification, activated: Container[str]
) -> tuple[list[Event], list[Dropped]]:
    """The events that are ours, and the engagements that are not, with the reason."""
    ours: list[Event] = []
    foreign: list[Dropped] = []
    for position, engagement in enumerate(notification.engagements):
        reason = why_not_ours(engagement, activated)
        if reason is None:
            ours.append(Event(position, engagement))
        else:
            foreign.append(Dropped(reason, engagement))
    return ours, foreign


def _common_reason(reasons: Collection[EngagementDropReason]) -> EngagementDropReason:
    return next(iter(reasons)) if len(reasons) == 1 else EngagementDropReason.NOTHING_OURS


def _message(notification: Notification, change: Change) -> BookingChange:
    """The change of an event. Its id follows from the place in the request, so it is the same on
    redelivery, even if the register has changed."""
    engagement = change.event.engagement
    return BookingChange(
        notification_id=notification.notification_id,
        correlation_id=notification.correlation_id,
        received_at=notification.received_at,
        change_id=f"{notification.notification_id}-{spell(change.event.position)}",
        booking=engagement.booking,
        deleted=engagement.deleted,
        service_domain=SCHEDULING,
        most_recent_content=engagement.most_recent_content,
        same_request=change.same_request,
        corrected=change.event.corrects,
        renumbered=change.renumbered,
    )


def _pending(outcome: Outcome) -> Iterator[PendingChange]:
    """The changes that count for others before their source has answered."""
    messages = outcome.messages if isinstance(outcome, Publish) else ()
    for change in messages:
        if isinstance(change, BookingChange) and _counts_for_others(change):
            yield _pending_change(change, is_removal=change.deleted)


def _counts_for_others(change: BookingChange) -> bool:
    """A corrected booking stays, and nothing replaces one that has another person number now."""
    is_renumbered = change.deleted and change.renumbered is not None
    return not change.corrected and not is_renumbered


def _pending_change(change: BookingChange | EarlierRemoval, *, is_removal: bool) -> PendingChange:
    return PendingChange(
        booking=change.booking.digest,
        patient_bookings=change.booking.patient_bookings,
        same_id=change.booking.same_id,
        unit=change.booking.logical_address,
        is_removal=is_removal,
        received_at=change.received_at,
        notification_id=change.notification_id,
    )
