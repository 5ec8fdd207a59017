"""The life of a change: its steps, the message it led to, and what came of the notices."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.booking.digests import KeyedDigests
from shared.booking.inbox import InboxMessage
from shared.booking.notices import Notice
from shared.store.engine import Database
from shared.store.inbox import Inbox
from shared.store.notices import NoticeStore
from shared.store.traces import TraceStep, TraceStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One change, from when ingest took its notification.

    `steps` in the order of their times; none when they were purged or never kept.
    """

    change_id: str
    notification_id: str
    correlation_id: str
    source_system: str
    booking: str | None  # keyed digest
    received_at: datetime
    steps: tuple[TraceStep, ...]
    message: InboxMessage | None
    notices: tuple[Notice, ...]


class Lives:
    """Finds lives, the newest last. All methods raise `DatabaseUnavailable`.

    Without `digests` those of a patient are only the ones that led to a message.
    """

    def __init__(self, database: Database, digests: KeyedDigests | None) -> None:
        self._traces = TraceStore(database)
        self._inbox = Inbox(database)
        self._notices = NoticeStore(database)
        self._digests = digests

    def of_patient(self, patient: str, booking_id: str | None = None) -> list[Life]:
        messages = [
            message
            for message in self._inbox.list_for(patient)
            if booking_id in (None, message.booking_id)
        ]
        steps: list[TraceStep] = []
        if self._digests:
            booking = self._digests.booking(patient, booking_id) if booking_id else None
            steps = self._traces.of_patient(self._digests.patient(patient), booking)
        known = {step.notification_id for step in steps}
        steps += self._of_messages([one for one in messages if one.notification_id not in known])
        return self._lives(steps, messages)

    def of_id(self, name: str) -> list[Life]:
        """`name`: a notification, a change, an inbox message, or a correlation id."""
        if message := self._inbox.get(name):
            return self._lives(self._of_messages([message]), [message])
        whole = name.partition("-")[0]
        steps = self._traces.of_notifications([whole])
        if own := [step for step in steps if step.change_id == name and name != whole]:
            return self._lives(own, [])
        if not steps:
            steps = self._traces.of_notifications(self._traces.notifications_with(name))
        return self._lives(steps, [])

    def _of_messages(self, messages: Sequence[InboxMessage]) -> list[TraceStep]:
        changes = {message.change_id for message in messages}
        steps = self._traces.of_notifications({message.notification_id for message in messages})
        return [step for step in steps if step.change_id in changes]

    def _lives(self, steps: Iterable[TraceStep], messages: Iterable[InboxMessage]) -> list[Life]:
        of_change: dict[str, list[TraceStep]] = defaultdict(list)
        for step in steps:
            of_change[step.change_id].append(step)
        found = {message.change_id: message for message in messages}
        named = {step.message_id for each in of_change.values() for step in each} - {None}
        for message in self._inbox.by_ids([name for name in named if name]):
            found.setdefault(message.change_id, message)
        changes = {*of_change, *(change for change in found if change)}
        lives = [self._life(change, of_change[change], found.get(change)) for change in changes]
        return sorted(lives, key=lambda life: (life.received_at, life.change_id))

    def _life(
        self, change_id: str, steps: Sequence[TraceStep], message: InboxMessage | None
    ) -> Life:
        first: TraceStep | InboxMessage | None = steps[0] if steps else message
        assert first is not None  # noqa: S101 - it was found by one of them
        source = message.key.source_system if message else _first_of(steps, "source_system")
        return Life(
            change_id=change_id,
            notification_id=first.notification_id,
            correlation_id=_first_of(steps, "correlation_id"),
            source_system=source,
            booking=_first_of(steps, "booking") or None,
            received_at=first.received_at,
            steps=tuple(sorted(steps, key=lambda step: step.at)),
            message=message,
            notices=tuple(self._notices.of_message(message.id)) if message else (),
        )


def _first_of(steps: Iterable[TraceStep], name: str) -> str:
    return next((value for step in steps if (value := getattr(step, name))), "")
