"""The decision: shall this notice go out now, and what came of it.

Never twice is the promise. What is known not to have been taken is tried again; what may have been
taken is `uncertain`, which people see and no machine repeats.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from notifier.pacing import Bulkhead, Pause, QuietHours, Slots
from notifier.replies import Accepted, Away, Rejected, Reply, TryLater, Uncertain
from shared.base.clock import Clock
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel, Claim, Notice, NoticeStatus
from shared.relay.outcomes import DeadLetter, Drop, Outcome, Postpone, Publish, RetryLater

#: A slot this near is used now: waiting for it would cost more than it protects.
_NEAR = timedelta(seconds=1)
#: How long a notice waits when its channel has as many under way as it may.
_CROWDED_WAIT = timedelta(seconds=5)
#: Sendings of one channel at once, where nothing else is said.
_AT_ONCE = 6


class DropReason(StrEnum):
    EXPIRED = "expired"  # what the message announced has passed
    NOT_WANTED = "not_wanted"
    ALREADY_NOTIFIED = "already_notified"
    REJECTED = "rejected"
    UNCERTAIN = "uncertain"


class WaitReason(StrEnum):
    QUIET_HOURS = "quiet_hours"
    RATE_LIMIT = "rate_limit"
    PROVIDER_PAUSED = "provider_paused"
    CHANNEL_BUSY = "channel_busy"  # its provider is slow; the other channel has threads left
    BEING_SENT = "being_sent"  # by another worker, or by one that died a moment ago


class RetryReason(StrEnum):
    NOT_TAKEN = "not_taken"
    PROVIDER_AWAY = "provider_away"


class DeadReason(StrEnum):
    CHANNEL_OFF = "channel_off"  # the patient chose it, but no provider is set: replay when it is


class Note(StrEnum):
    ACCEPTED = "accepted"
    ONE_EACH = "one_order_per_channel"


class NotTaken(Exception):
    """The provider did not take the notice. Its text stands in the message's history."""


class Preferences(Protocol):
    def of(self, patient: str) -> Mapping[Channel, str]:
        """The patient's address on each channel the patient has chosen."""


class Notices(Protocol):
    """As `shared.store.notices.NoticeStore`."""

    def claim(self, message_id: str, channel: Channel) -> Claim | Notice: ...
    def settle(
        self,
        claim: Claim,
        status: NoticeStatus,
        *,
        detail: str = "",
        provider_id: str | None = None,
    ) -> None: ...
    def doubt(self, stale: Notice, detail: str) -> bool: ...


class Sender(Protocol):
    """A provider of one channel. Another provider is another class with this method."""

    def send(self, notice_id: str, address: str) -> Reply:
        """Hand over the notice, once. Raises nothing of its library's."""


#: Told of every status a notice reached here, with a detail for operators.
Observer = Callable[[Channel, NoticeStatus, str], None]


@dataclass(frozen=True, slots=True)
class Lane:
    """One channel: who sends, and when it may."""

    sender: Sender
    pause: Pause
    quiet_hours: QuietHours | None = None
    slots: Slots | None = None
    bulkhead: Bulkhead = field(default_factory=lambda: Bulkhead(_AT_ONCE))

    def wait(self, order: NoticeOrder, now: datetime) -> Postpone | None:
        """Why and how long `order` waits; None when it may go."""
        if self.quiet_hours and (morning := self.quiet_hours.end_after(now)):
            return Postpone(morning - now, WaitReason.QUIET_HOURS)
        if retry := self.pause.end_after(now):
            return Postpone(retry - now, WaitReason.PROVIDER_PAUSED)
        return self._wait_for_slot(order, now)

    @contextmanager
    def place(self) -> Iterator[bool]:
        """A place to send from, for as long as that takes; whether there is one.

        After a pause one notice at a time finds out whether the provider is back.
        """
        entered = self.bulkhead.enter(alone=self.pause.doubted)
        try:
            yield entered
        finally:
            if entered:
                self.bulkhead.leave()

    def _wait_for_slot(self, order: NoticeOrder, now: datetime) -> Postpone | None:
        if self.slots is None:
            return None
        slot = self.slots.slot(order.slot, now)
        if slot - now <= _NEAR:
            return None
        holder = order.model_copy(update={"slot": slot})
        return Postpone(slot - now, WaitReason.RATE_LIMIT, instead=holder)


class Notifier:
    """`sending_limit`: no living worker takes longer than this to send one notice."""

    def __init__(
        self,
        preferences: Preferences,
        notices: Notices,
        lanes: Mapping[Channel, Lane],
        observe: Observer,
        *,
        sending_limit: timedelta,
        clock: Clock,
    ) -> None:
        self._preferences = preferences
        self._notices = notices
        self._lanes = lanes
        self._observe = observe
        self._sending_limit = sending_limit
        self._clock = clock

    def __call__(self, order: NoticeOrder) -> Outcome:
        now = self._clock()
        if order.expires_at is not None and order.expires_at <= now:
            return Drop(DropReason.EXPIRED)
        wanted = self._wanted(order)
        if not wanted:
            return Drop(DropReason.NOT_WANTED)
        match list(wanted):
            case [channel] if channel not in self._lanes:
                return DeadLetter(DeadReason.CHANNEL_OFF)
            case [channel]:
                return self._notify(order, channel, wanted[channel], now)
            case channels:
                return Publish(_one_each(order, channels), note=Note.ONE_EACH)

    def _wanted(self, order: NoticeOrder) -> dict[Channel, str]:
        chosen = self._preferences.of(order.patient)
        return {
            channel: address
            for channel, address in chosen.items()
            if order.channel in (None, channel)
        }

    def _notify(self, order: NoticeOrder, channel: Channel, address: str, now: datetime) -> Outcome:
        lane = self._lanes[channel]
        if wait := lane.wait(order, now):
            return wait
        with lane.place() as there_is_one:
            if not there_is_one:
                return Postpone(_CROWDED_WAIT, WaitReason.CHANNEL_BUSY)
            claim = self._notices.claim(order.message_id, channel)
            if isinstance(claim, Notice):
                return self._leave(claim, now)
            return self._conclude(channel, claim, lane.sender.send(claim.notice_id, address))

    def _leave(self, notice: Notice, now: datetime) -> Outcome:
        """The notice is not ours to send: someone is at it, or was."""
        if notice.status is not NoticeStatus.SENDING:
            return Drop(DropReason.ALREADY_NOTIFIED)
        given_up = notice.since + self._sending_limit
        if now < given_up:
            return Postpone(given_up - now, WaitReason.BEING_SENT)
        detail = "its sender died"
        if self._notices.doubt(notice, detail):
            self._observe(notice.channel, NoticeStatus.UNCERTAIN, detail)
        return Drop(DropReason.UNCERTAIN)

    def _conclude(self, channel: Channel, claim: Claim, reply: Reply) -> Outcome:
        self._pace(channel, reply)
        match reply:
            case Accepted(provider_id):
                self._settle(channel, claim, NoticeStatus.ACCEPTED, provider_id=provider_id)
                return Publish((), note=Note.ACCEPTED)
            case Rejected(detail):
                self._settle(channel, claim, NoticeStatus.REJECTED, detail)
                return Drop(DropReason.REJECTED)
            case Uncertain(detail):
                self._settle(channel, claim, NoticeStatus.UNCERTAIN, detail)
                return Drop(DropReason.UNCERTAIN)
            case TryLater(detail):
                self._settle(channel, claim, NoticeStatus.PENDING, detail)
                return RetryLater(RetryReason.NOT_TAKEN, NotTaken(detail))
            case Away(detail, wait):
                self._settle(channel, claim, NoticeStatus.PENDING, detail)
                return _until_back(detail, wait)

    def _pace(self, channel: Channel, reply: Reply) -> None:
        """A provider that is away rests, and so does one whose answers do not come."""
        pause = self._lanes[channel].pause
        match reply:
            case Away(_, wait):
                pause.begin(self._clock(), wait)
            case Uncertain():
                pause.begin(self._clock())
            case _:
                pause.over()

    def _settle(
        self,
        channel: Channel,
        claim: Claim,
        status: NoticeStatus,
        detail: str = "",
        provider_id: str | None = None,
    ) -> None:
        self._notices.settle(claim, status, detail=detail, provider_id=provider_id)
        self._observe(channel, status, detail)


def _one_each(order: NoticeOrder, channels: list[Channel]) -> tuple[NoticeOrder, ...]:
    """One order per channel, so that the trouble of one neither repeats nor delays the other."""
    return tuple(order.model_copy(update={"channel": channel}) for channel in channels)


def _until_back(detail: str, wait: timedelta | None) -> Outcome:
    """Waiting for as long as we were asked to is no failed attempt."""
    if wait is not None:
        return Postpone(wait, WaitReason.PROVIDER_PAUSED)
    return RetryLater(RetryReason.PROVIDER_AWAY, NotTaken(detail))
