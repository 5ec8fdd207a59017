"""Decides whether a notice is sent now, and records the result.

No notice is sent twice. What was certainly not accepted is tried again; what may have been accepted
is `uncertain`, which operators see and nothing repeats.

Messages to one patient that come within a few seconds, or in the same quiet hours, are announced in
one SMS and one e-mail: each order registers its notice and waits; the first that may send claims
all that wait. The other orders find their notices sent. So nothing depends on a single order.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from notifier.channels import NoticeWaitReason, OutgoingChannel
from notifier.results import (
    Accepted,
    ProviderDown,
    Rejected,
    SendResult,
    TryLater,
    Uncertain,
)
from shared.base.clock import Clock
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel, Choice, Claim, Notice, NoticeStatus
from shared.relay.outcomes import DeadLetter, Done, Drop, Outcome, Postpone, Publish, RetryLater

#: How long a notice waits when its channel has no free sending.
_CROWDED_WAIT = timedelta(seconds=5)
#: The holder of a younger claim is most likely still sending.
_FRESH_CLAIM = timedelta(seconds=20)


class DoneReason(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNCERTAIN = "uncertain"


class NoticeDropReason(StrEnum):
    EXPIRED = "expired"  # what the message announced has passed
    NOT_WANTED = "not_wanted"
    ALREADY_NOTIFIED = "already_notified"  # also by one that was about several messages
    SUPPRESSED = "suppressed"  # the only address has bounced too often
    WITHDRAWN = "withdrawn"  # it was not wanted, or of no use, before


class NoticeRetryReason(StrEnum):
    NOT_TAKEN = "not_taken"
    PROVIDER_DOWN = "provider_down"


class NoticeDeadReason(StrEnum):
    CHANNEL_OFF = "channel_off"  # the patient chose it, but no provider is set: replay when it is
    MESSAGE_MISSING = "message_missing"  # the database lost what it had committed


class Note(StrEnum):
    ONE_EACH = "one_order_per_channel"
    MESSAGE_MISSING = "message_missing"  # the booking system is asked again


class NotTaken(Exception):
    """The provider did not take the notice. Its text stands in the message's history."""


class Preferences(Protocol):
    def choices(self, patient: str) -> Mapping[Channel, Choice]:
        """What the patient has chosen on each channel."""


#: Whether the inbox holds the message of this id.
InInbox = Callable[[str], bool]


class Notices(Protocol):
    """As `shared.store.notices.NoticeStore`."""

    def register(self, message_id: str, channel: Channel, patient: str) -> None: ...
    def suppress(self, message_id: str, channel: Channel, patient: str) -> bool: ...
    def claim(self, message_id: str, channel: Channel, patient: str) -> Claim | Notice: ...
    def record_result(
        self,
        claim: Claim,
        status: NoticeStatus,
        *,
        detail: str = "",
        provider_id: str | None = None,
    ) -> None: ...
    def doubt(self, stale: Notice, detail: str) -> int: ...
    def withdraw(
        self, message_id: str, channels: Collection[Channel], detail: str
    ) -> Collection[Channel]: ...


#: Takes every status that a notice reached here, with a detail for operators.
Observer = Callable[[Channel, NoticeStatus, str], None]


class Notifier:
    """`collecting`: how long a notice waits for others to the same patient.

    `sending_limit`: no living worker takes longer than this to send one notice.
    """

    def __init__(
        self,
        preferences: Preferences,
        notices: Notices,
        channels: Mapping[Channel, OutgoingChannel],
        observe: Observer,
        *,
        in_inbox: InInbox,
        collecting: timedelta,
        sending_limit: timedelta,
        clock: Clock,
    ) -> None:
        self._preferences = preferences
        self._notices = notices
        self._channels = channels
        self._observe = observe
        self._in_inbox = in_inbox
        self._collecting = collecting
        self._sending_limit = sending_limit
        self._clock = clock

    def __call__(self, order: NoticeOrder) -> Outcome:
        now = self._clock()
        if order.expires_at is not None and order.expires_at <= now:
            return self._drop(order, NoticeDropReason.EXPIRED)
        choices = self._choices(order)
        suppressed = [channel for channel, choice in choices.items() if choice.suppressed_at]
        self._suppress(order, suppressed)
        wanted = {c: choice.address for c, choice in choices.items() if c not in suppressed}
        if not wanted:
            reason = "SUPPRESSED" if suppressed else "NOT_WANTED"
            return self._drop(order, NoticeDropReason[reason])
        offered = [channel for channel in wanted if channel in self._channels]
        if len(wanted) == 1 and not offered:
            return DeadLetter(NoticeDeadReason.CHANNEL_OFF)
        if wait := self._wait_for_others(order, offered, now):
            return wait
        self._withdraw(order, NoticeDropReason.NOT_WANTED, but=wanted)
        if len(wanted) > 1:
            return Publish(_one_each(order, list(wanted)), note=Note.ONE_EACH)
        [channel] = offered
        return self._notify(order, channel, wanted[channel], now)

    def _choices(self, order: NoticeOrder) -> dict[Channel, Choice]:
        chosen = self._preferences.choices(order.patient)
        return {
            channel: choice
            for channel, choice in chosen.items()
            if order.channel in (None, channel)
        }

    def _suppress(self, order: NoticeOrder, channels: Collection[Channel]) -> None:
        for channel in channels:
            if self._notices.suppress(order.message_id, channel, order.patient):
                self._observe(channel, NoticeStatus.SUPPRESSED, "bounced too often")

    def _drop(self, order: NoticeOrder, reason: NoticeDropReason) -> Outcome:
        self._withdraw(order, reason)
        return Drop(reason)

    def _withdraw(self, order: NoticeOrder, reason: str, but: Collection[Channel] = ()) -> None:
        """End the notices that would otherwise wait for ever, on all channels `but` these."""
        channels = [channel for channel in self._may_wait_on(order) if channel not in but]
        if not channels:
            return
        for channel in self._notices.withdraw(order.message_id, channels, reason):
            self._observe(channel, NoticeStatus.WITHDRAWN, reason)

    def _may_wait_on(self, order: NoticeOrder) -> Collection[Channel]:
        """The channels on which a notice of this order may be registered."""
        if order.channel is not None:
            return (order.channel,)
        if order.collected_at is None and not self._collecting:
            return tuple(Channel)
        return order.registered

    def _wait_for_others(
        self, order: NoticeOrder, offered: Collection[Channel], now: datetime
    ) -> Postpone | None:
        """Register the notices; how long they wait for others. None when they have waited."""
        if order.collected_at is not None:
            left = order.collected_at - now
            return Postpone(left, NoticeWaitReason.COLLECTING) if left > timedelta(0) else None
        for channel in offered:
            self._notices.register(order.message_id, channel, order.patient)
        if not self._collecting:
            return None
        update = {"collected_at": now + self._collecting, "registered": tuple(offered)}
        waiting = order.model_copy(update=update)
        return Postpone(self._collecting, NoticeWaitReason.COLLECTING, instead=waiting)

    def _notify(self, order: NoticeOrder, channel: Channel, address: str, now: datetime) -> Outcome:
        outgoing = self._channels[channel]
        if wait := outgoing.wait(order, now):
            return wait
        with outgoing.place() as there_is_one:
            if not there_is_one:
                return Postpone(_CROWDED_WAIT, NoticeWaitReason.CHANNEL_BUSY)
            if not self._in_inbox(order.message_id):
                return self._ask_again(order)
            claim = self._notices.claim(order.message_id, channel, order.patient)
            if isinstance(claim, Notice):
                return self._leave(claim, now)
            several = claim.count > 1
            result = outgoing.sender.send(claim.notice_id, address, several=several)
            return self._conclude(channel, claim, result)

    def _ask_again(self, order: NoticeOrder) -> Outcome:
        """The database lost the message (a failover to a standby that was behind)."""
        if order.change is None:
            return DeadLetter(NoticeDeadReason.MESSAGE_MISSING)
        self._withdraw(order, Note.MESSAGE_MISSING)
        return Publish(order.change.whole_request, note=Note.MESSAGE_MISSING)

    def _leave(self, notice: Notice, now: datetime) -> Outcome:
        """The outcome for a notice that another worker sends or has sent."""
        if notice.status is NoticeStatus.WITHDRAWN:
            return Drop(NoticeDropReason.WITHDRAWN)
        if notice.status is NoticeStatus.SUPPRESSED:
            return Drop(NoticeDropReason.SUPPRESSED)
        if notice.status is not NoticeStatus.SENDING:
            return Drop(NoticeDropReason.ALREADY_NOTIFIED)
        given_up = notice.since + self._sending_limit
        if now < given_up:
            fresh = now - notice.since < _FRESH_CLAIM
            wait = min(given_up - now, _CROWDED_WAIT) if fresh else given_up - now
            return Postpone(wait, NoticeWaitReason.BEING_SENT)
        detail = "its sender died"
        for _ in range(self._notices.doubt(notice, detail)):
            self._observe(notice.channel, NoticeStatus.UNCERTAIN, detail)
        return Done(DoneReason.UNCERTAIN)

    def _conclude(self, channel: Channel, claim: Claim, result: SendResult) -> Outcome:
        self._heed(channel, result)
        match result:
            case Accepted(provider_id):
                self._record(channel, claim, NoticeStatus.ACCEPTED, provider_id=provider_id)
                return Done(DoneReason.ACCEPTED)
            case Rejected(detail):
                self._record(channel, claim, NoticeStatus.REJECTED, detail)
                return Done(DoneReason.REJECTED)
            case Uncertain(detail):
                self._record(channel, claim, NoticeStatus.UNCERTAIN, detail)
                return Done(DoneReason.UNCERTAIN)
            case TryLater(detail):
                self._record(channel, claim, NoticeStatus.PENDING, detail)
                return RetryLater(NoticeRetryReason.NOT_TAKEN, NotTaken(detail))
            case ProviderDown(detail, wait):
                self._record(channel, claim, NoticeStatus.PENDING, detail)
                return _until_back(detail, wait)

    def _heed(self, channel: Channel, result: SendResult) -> None:
        """The breaker opens for a provider that is down, and for one whose answers do not come."""
        breaker = self._channels[channel].breaker
        match result:
            case ProviderDown(_, wait):
                breaker.open(self._clock(), wait)
            case Uncertain():
                breaker.open(self._clock())
            case _:
                breaker.close()

    def _record(
        self,
        channel: Channel,
        claim: Claim,
        status: NoticeStatus,
        detail: str = "",
        provider_id: str | None = None,
    ) -> None:
        self._notices.record_result(claim, status, detail=detail, provider_id=provider_id)
        for _ in range(claim.count):
            self._observe(channel, status, detail)


def _one_each(order: NoticeOrder, channels: list[Channel]) -> tuple[NoticeOrder, ...]:
    """One order per channel, so that a failure of one neither repeats nor delays the other."""
    return tuple(order.model_copy(update={"channel": channel}) for channel in channels)


def _until_back(detail: str, wait: timedelta | None) -> Outcome:
    """Waiting for as long as we were asked to is no failed attempt."""
    if wait is not None:
        return Postpone(wait, NoticeWaitReason.BREAKER_OPEN)
    return RetryLater(NoticeRetryReason.PROVIDER_DOWN, NotTaken(detail))
