"""A small world for the composer's tests: a booking system, an inbox in memory, and a clock."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from composer.candidates import Limits
from composer.handler import Composer
from composer.history import History
from composer.lagging import LaggingSources
from composer.message_text import Writer
from composer.wording import Wording
from filter.handler import Filter, StorePending
from ingest.recent_removals import RecentRemovals
from shared.base.ids import spell
from shared.booking.identity import BookingKey, hsa_key
from shared.booking.inbox import (
    AnnouncedElsewhere,
    Announcement,
    HistoryWindow,
    InboxMessage,
    PendingChange,
    Watermark,
)
from shared.booking.messages import (
    BookingChange,
    BookingDetails,
    Engagement,
    FetchedBooking,
    NoticeOrder,
    Notification,
)
from shared.relay.outcomes import Outcome, Postpone, Publish

PATIENT = "191212121212"
SOURCE = "SE2321000016-SYS1"
UNIT = "SE2321000016-1HZ5"
OTHER_UNIT = "SE2321000016-2ABC"
NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
WINDOW = timedelta(seconds=90)
PATIENCE = timedelta(seconds=120)
LIMITS = Limits(WINDOW, PATIENCE)
MEMORY = timedelta(days=30)
MOMENT = timedelta(milliseconds=1)

WORDING = Wording()

#: A booking, and whether it was removed.
Said = tuple[BookingKey, bool]

VISIT = BookingDetails(
    starts="20261203090000",
    ends="20261203093000",
    unit=UNIT,
    unit_name="Ögonmottagningen Sjöstad",
    performer_name="Anna Berg",
    care_type_name="Ögonsjukvård",
    cancel_allowed=True,
    rebook_allowed=True,
)
CALL = VISIT.model_copy(update={"is_call_letter": True, "purpose": "Ta med legitimation."})
OPEN_CALL = CALL.model_copy(update={"starts": "", "ends": ""})


def but(details: BookingDetails, **changes: Any) -> BookingDetails:
    return details.model_copy(update=changes)


LATER = but(VISIT, starts="20261210133000", ends="20261210140000")
PASSED = but(VISIT, starts="20261101090000", ends="20261101093000")
SOON = but(VISIT, starts="20261102090100", ends="")  # Swedish time: a minute after NOW


def key(booking_id: str, unit: str = UNIT, patient: str = PATIENT) -> BookingKey:
    return BookingKey(
        source_system=SOURCE, logical_address=unit, booking_id=booking_id, patient=patient
    )


@dataclass
class MemoryBookings:
    """What one transaction sees, and what it has written so far."""

    announcements: list[Announcement]
    watermarks: list[Watermark]
    same_id_elsewhere: list[Watermark]
    announced_elsewhere: dict[str, AnnouncedElsewhere]
    pending: list[PendingChange]
    pending_elsewhere: list[PendingChange]
    written: list[InboxMessage] = field(default_factory=list)
    carried_over: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: list[Watermark] = field(default_factory=list)

    def write(self, message: InboxMessage) -> None:
        self.written.append(message)

    def carry_over(
        self, announcement: Announcement, booking: BookingKey, details: BookingDetails
    ) -> None:
        self.carried_over[announcement.id] = {"key": booking, "state": details}

    def set_watermark(self, watermark: Watermark) -> None:
        self.changed.append(watermark)


class MemoryInbox:
    """The Protocol `composer.handler.BookingStore`, in memory."""

    def __init__(self) -> None:
        self.messages: list[InboxMessage] = []
        self.watermarks: dict[str, Watermark] = {}
        self.pending: dict[tuple[str, bool], PendingChange] = {}

    def add_pending(self, changes: Iterable[PendingChange]) -> None:
        """As `shared.store.pending_changes.PendingChanges`."""
        for change in changes:
            judged = self.watermarks.get(change.booking)
            other = self.pending.get((change.booking, change.is_removal))
            is_judged = judged is not None and judged.received_at >= change.received_at
            is_better = other is None or self._is_better(change, other)
            if not is_judged and is_better:
                self.pending[change.booking, change.is_removal] = change

    def _is_better(self, change: PendingChange, other: PendingChange) -> bool:
        opposite = self.pending.get((change.booking, not change.is_removal))
        between = opposite.received_at if opposite else None
        if change.received_at < other.received_at:
            return between is None or between < change.received_at
        return between is not None and other.received_at < between < change.received_at

    @contextmanager
    def locked(self, windows: Sequence[HistoryWindow]) -> Iterator[list[MemoryBookings]]:
        keys = {window.patient_bookings for window in windows}
        assert len(keys) == len(windows), "no two of the same patient and source"
        several = [self._within(window) for window in windows]
        yield several
        for seen in several:
            self._store(seen)

    def _within(self, window: HistoryWindow) -> MemoryBookings:
        watermarks = [
            each
            for each in self.watermarks.values()
            if each.patient_bookings == window.patient_bookings
            and (
                each.booking in window.digests
                or each.same_id == window.same_id
                or each.awaiting
                or {(each.booking, True), (each.booking, False)} & self.pending.keys()
                or each.received_at >= window.since
            )
        ]
        elsewhere = [
            each
            for each in self.watermarks.values()
            if each.same_id == window.same_id and each.patient_bookings != window.patient_bookings
        ]
        announced: dict[str, AnnouncedElsewhere] = {}
        for message in sorted(self.messages, key=lambda each: each.received_at):
            if message.booking in {each.booking for each in elsewhere}:
                announced[message.booking] = AnnouncedElsewhere(message.key, message.received_at)
        digests = window.digests | {watermark.booking for watermark in watermarks}
        announcements: list[Announcement] = [
            message
            for message in self.messages
            if message.key.patient_bookings == window.patient_bookings
            and (message.booking in digests or message.received_at >= window.since)
        ]
        pending = [
            each
            for each in self.pending.values()
            if each.patient_bookings == window.patient_bookings
        ]
        pending_elsewhere = [
            each
            for each in self.pending.values()
            if each.same_id == window.same_id and each not in pending
        ]
        return MemoryBookings(
            announcements, watermarks, elsewhere, announced, pending, pending_elsewhere
        )

    def _store(self, seen: MemoryBookings) -> None:
        for watermark in seen.changed:
            self.watermarks[watermark.booking] = watermark
            for kind in (True, False):
                pending = self.pending.get((watermark.booking, kind))
                if pending and pending.received_at <= watermark.received_at:
                    del self.pending[watermark.booking, kind]
        self.messages = [
            replace(message, **seen.carried_over.get(message.id, {}))
            for message in [*self.messages, *seen.written]
        ]
        revisions = [(message.booking, message.revision) for message in self.messages]
        assert len(set(revisions)) == len(revisions), "unique (booking, revision)"


@dataclass(frozen=True)
class KnownSource:
    lagged_at: datetime | None = None


class Activated:
    """The register; `removed` are those that are not in it."""

    def __init__(self) -> None:
        self.removed: set[str] = set()
        self.lagged: dict[str, datetime] = {}

    def find(self, hsa_id: str) -> KnownSource | None:
        return None if hsa_id in self.removed else KnownSource(self.lagged.get(hsa_key(hsa_id)))

    def set_lagged(self, seen: Mapping[str, datetime]) -> None:
        self.lagged.update(seen)

    def find_all(self, hsa_ids: Iterable[str]) -> set[str]:
        return {hsa_key(hsa_id) for hsa_id in hsa_ids if hsa_id not in self.removed}


@dataclass(frozen=True)
class Elsewhere:
    """What a source answers that has the booking at another unit, or for another patient."""

    moved_to: str = ""
    of_another_patient: bool = False


class World:
    """A booking system, whose notifications go through the filter and the composer.

    `outcomes` are the reasons of the composer in their order, except where it looks again;
    `pass_time` brings back what was postponed, and lets the source be asked what the composer wants
    to know.
    """

    def __init__(self, writer: Writer = WORDING, limits: Limits = LIMITS) -> None:
        self.now = NOW
        self.source: dict[str, BookingDetails | Elsewhere] = {}  # by digest of the booking's key
        self.register = Activated()
        self.inbox = MemoryInbox()
        self.outcomes: list[str] = []
        self.orders: list[NoticeOrder] = []
        self.asked: list[BookingChange] = []
        self.waiting: list[tuple[datetime, FetchedBooking]] = []
        self.agenda: list[tuple[datetime, int, Callable[[], object]]] = []  # what else comes when
        self.away: tuple[datetime, datetime] | None = None  # when the relay stood still
        self.mismatches: list[str] = []  # by source
        self.about: dict[str, str] = {}  # which booking each change was about
        self._numbers = count(1)
        self._recent_removals = RecentRemovals()
        self.store_pending: StorePending = self.inbox.add_pending
        self._filter = Filter(
            self.register, _ignore, _ignore, lambda changes: self.store_pending(changes)
        )
        self._writer, self._limits = writer, limits
        self.start_composer()

    def start_composer(self) -> None:
        """A composer that knows nothing but what is stored."""
        self.lagging = LaggingSources(self.register.set_lagged, clock=lambda: self.now)
        self.composer = Composer(
            self.inbox,
            self.register,
            self._writer,
            self.mismatches.append,
            self.lagging,
            limits=self._limits,
            memory=MEMORY,
            clock=lambda: self.now,
            new_id=lambda: f"message{next(self._numbers)}",
        )

    @property
    def kinds(self) -> list[str]:
        """The kinds of all messages, in the order in which they were written."""
        return [str(message.kind) for message in self.inbox.messages]

    @property
    def newest(self) -> InboxMessage:
        return self.inbox.messages[-1]

    def believed(self, booking: BookingKey) -> BookingDetails | None:
        """The booking as its patient must take it to be after all messages; None: no booking."""
        everything = History(tuple(self.inbox.messages), tuple(self.inbox.watermarks.values()))
        standing = everything.standing(booking.digest)
        return standing.state if standing else None

    # --- what happens at the source, and the index says of it at once ---

    def create(self, booking: BookingKey, details: BookingDetails) -> FetchedBooking:
        self.source[booking.digest] = details
        return self.hear(booking)

    def remove(self, booking: BookingKey) -> FetchedBooking:
        self.source.pop(booking.digest, None)
        return self.hear(booking, deleted=True)

    def rebook(self, old: BookingKey, new: BookingKey, details: BookingDetails) -> FetchedBooking:
        """In one request; the creation is what is returned."""
        self.source.pop(old.digest, None)
        self.source[new.digest] = details
        return self.notify((old, True), (new, False))[-1]

    def hear(self, booking: BookingKey, *, deleted: bool = False) -> FetchedBooking:
        """A notification about the booking, fetched as the source has it now."""
        return self.notify((booking, deleted))[-1]

    def notify(self, *said: Said) -> list[FetchedBooking]:
        """One request that says of each booking whether it was removed; all of it is fetched and
        judged in the order in which the filter puts it."""
        fetched = [self.fetch(message) for message in self.take(*said)]
        for each in fetched:
            self.hand(each)
        self.ask()
        return fetched

    # --- the same, one step at a time ---

    def take(self, *said: Said, received_at: datetime | None = None) -> list[BookingChange]:
        """What the filter makes of one request; what it stores is stored."""
        return self.filter(self.receive(*said, received_at=received_at))

    def receive(self, *said: Said, received_at: datetime | None = None) -> Notification:
        """What ingest makes of one request."""
        self.now += MOMENT
        taken_at = received_at or self.now
        engagements = tuple(engagement(booking, deleted=deleted) for booking, deleted in said)
        notification = Notification(
            notification_id=f"notification{spell(next(self._numbers))}",
            received_at=taken_at,
            engagements=engagements,
            removed_before=self._recent_removals.related_to(engagements, taken_at),
        )
        self._recent_removals.remember(engagements, notification.notification_id, taken_at)
        return notification

    def filter(self, notification: Notification) -> list[BookingChange]:
        outcome = self._filter(notification)
        assert isinstance(outcome, Publish)
        return [message for message in outcome.messages if isinstance(message, BookingChange)]

    def fetch(self, message: BookingChange) -> FetchedBooking:
        """The source's answer."""
        self.about[message.change_id] = message.booking.digest
        self.now += MOMENT
        found = self.source.get(message.booking.digest)
        answer: dict[str, Any] = {"details": found}
        if isinstance(found, Elsewhere):
            answer = {"details": None, **vars(found)}
        return FetchedBooking(**message.said, fetched_at=self.now, **answer)

    def ask_about(
        self, booking: BookingKey, *, deleted: bool = False, received_at: datetime | None = None
    ) -> FetchedBooking:
        """Notified and fetched, not handed to the composer."""
        return self.fetch(self.take((booking, deleted), received_at=received_at)[-1])

    def hand(self, fetched: FetchedBooking) -> Outcome:
        """What the runner does: decoded from its bytes, judged, and the outcome carried out."""
        self.now += MOMENT
        outcome = self.composer(FetchedBooking.decode(fetched.encode()))
        self._carry_out(outcome, fetched)
        return outcome

    def hand_batch(self, several: Sequence[FetchedBooking]) -> list[Outcome]:
        """As `hand`, all in one go."""
        outcomes = self.composer.handle_batch(several)
        for outcome, fetched in zip(outcomes, several, strict=True):
            self._carry_out(outcome, fetched)
        return outcomes

    def _carry_out(self, outcome: Outcome, fetched: FetchedBooking) -> None:
        if isinstance(outcome, Postpone):
            later = outcome.instead or fetched
            assert isinstance(later, FetchedBooking)
            self.waiting.append((self.now + outcome.delay, later))
        if isinstance(outcome, Publish):
            for message in outcome.messages:
                self._take(message)
        reason = str(outcome.note if isinstance(outcome, Publish) else outcome.reason)
        if reason not in ("not_shown_yet", "asked_once_more"):
            self.outcomes.append(reason)

    def _take(self, message: Any) -> None:
        if isinstance(message, NoticeOrder):
            self.orders.append(message)
        else:
            self.asked.append(message)

    def ask(self) -> None:
        """What the fetcher does with the questions of the composer."""
        while self.asked:
            self.hand(self.fetch(self.asked.pop(0)))

    def at(self, when: datetime, happens: Callable[[], object]) -> None:
        """Let `happens` be called when the time has passed until `when`."""
        self.agenda.append((when, next(self._numbers), happens))

    def in_relay_at(self, when: datetime, happens: Callable[[], object]) -> None:
        """As `at`, of what the relay does: when it is away, it does so after that."""
        if self.away and self.away[0] <= when < self.away[1]:
            when = self.away[1]
        self.at(when, happens)

    def pass_time(self, passed: timedelta = 4 * WINDOW) -> None:
        end = self.now + passed
        self.ask()
        while True:
            for due, fetched in self.waiting:
                self.in_relay_at(due, partial(self.hand, fetched))
            self.waiting.clear()
            self.agenda.sort(key=lambda entry: entry[:2], reverse=True)
            if not self.agenda or self.agenda[-1][0] > end:
                break
            due, _, happens = self.agenda.pop()
            self.now = max(self.now, due)
            happens()
            self.ask()
        self.now = max(self.now, end)


def _ignore(*_: object, **__: object) -> None:
    """What the filter counts and reports."""


def engagement(booking: BookingKey, *, deleted: bool) -> Engagement:
    return Engagement(
        deleted=deleted,
        service_domain="riv:crm:scheduling",
        categorization="NA",
        clinical_process_interest_id="NA",
        data_controller="5560000000",
        **dict(booking),
    )
