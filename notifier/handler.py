"""Decides whether a notice is sent now, and records the result.

No notice is sent twice. What was certainly not accepted is tried again; what may have been accepted
is `uncertain`, which operators see and nothing repeats.

Messages to one patient that come within a few seconds, or in the same quiet hours, are announced in
one SMS and one e-mail: each order registers its notice and waits; the first that may send claims
all that wait. The other orders find their notices sent. So nothing depends on a single order.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import NamedTuple, Protocol

from notifier.channels import NoticeWaitReason, OutgoingChannel
from notifier.results import (
    Accepted,
    ProviderDown,
    Rejected,
    SendResult,
    TryLater,
    Uncertain,
)
from notifier.sending import ReadyNotice, Rules, Sendings, Sent
from shared.base.clock import Clock
from shared.booking.messages import NoticeOrder
from shared.booking.notices import Channel, Choice, Claim, Ending, Notice, NoticeStatus, Wanted
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
    def choices_of(self, patients: Collection[str]) -> Mapping[str, Mapping[Channel, Choice]]:
        """What each of these patients has chosen on each channel."""


#: Those of these messages that the inbox holds.
InInbox = Callable[[Collection[str]], Collection[str]]


class Notices(Protocol):
    """As `shared.store.notices.NoticeStore`."""

    def register_all(self, several: Sequence[Wanted]) -> None: ...
    def suppress(self, message_id: str, channel: Channel, patient: str) -> bool: ...
    def claim_all(self, several: Sequence[Wanted]) -> list[Claim | Notice]: ...
    def record_results(self, several: Sequence[Ending]) -> None: ...
    def doubt(self, stale: Notice, detail: str) -> int: ...
    def withdraw(
        self, message_id: str, channels: Collection[Channel], detail: str
    ) -> Collection[Channel]: ...


#: Takes every status that a notice reached here, with a detail for operators.
Observer = Callable[[Channel, NoticeStatus, str], None]

#: Within the context, log lines carry the ids of the order.
NamedLines = Callable[[NoticeOrder], AbstractContextManager[object]]


def _unnamed(_order: NoticeOrder) -> AbstractContextManager[object]:
    return nullcontext()


class _Wish(NamedTuple):
    """An order, where its patient wants notices, and on which of these channels we send."""

    order: NoticeOrder
    wanted: Mapping[Channel, str]
    offered: tuple[Channel, ...]


class Notifier:
    """`collecting`: how long a notice waits for others to the same patient.

    `sending_limit`: no living worker takes longer than this to send one notice. `at_once`: how
    many notices are sent, and so are in doubt, at one time. `named`: for the lines about one of a
    batch.
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
        at_once: int = 8,
        named: NamedLines = _unnamed,
        clock: Clock,
    ) -> None:
        self._preferences = preferences
        self._notices = notices
        self._channels = channels
        self._observe = observe
        self._in_inbox = in_inbox
        self._collecting = collecting
        self._sending_limit = sending_limit
        self._named = named
        self._clock = clock
        self._sendings = Sendings(channels, notices, at_once)

    def __call__(self, order: NoticeOrder) -> Outcome:
        [outcome] = self.handle_batch([order])
        return outcome

    def handle_batch(self, orders: Sequence[NoticeOrder]) -> list[Outcome]:
        """The outcome of each. A batch costs the database little more than one does alone."""
        now = self._clock()
        chosen = self._preferences.choices_of({order.patient for order in orders})
        wishes = [self._wish(order, chosen[order.patient], now) for order in orders]
        self._register([wish for wish in wishes if isinstance(wish, _Wish)])
        outcomes: dict[int, Outcome] = {}
        ready: list[ReadyNotice] = []
        for number, wish in enumerate(wishes):
            found = self._next_step(number, wish, now) if isinstance(wish, _Wish) else wish
            if isinstance(found, ReadyNotice):
                ready.append(found)
            else:
                outcomes[number] = found
        outcomes |= self._send(ready, now)
        return [outcomes[number] for number in range(len(orders))]

    def _wish(
        self, order: NoticeOrder, chosen: Mapping[Channel, Choice], now: datetime
    ) -> "_Wish | Outcome":
        """What of the order can be sent, now or later; or what becomes of it instead."""
        if order.expires_at is not None and order.expires_at <= now:
            return self._drop(order, NoticeDropReason.EXPIRED)
        choices = {c: choice for c, choice in chosen.items() if order.channel in (None, c)}
        suppressed = [channel for channel, choice in choices.items() if choice.suppressed_at]
        self._suppress(order, suppressed)
        wanted = {c: choice.address for c, choice in choices.items() if c not in suppressed}
        if not wanted:
            reason = "SUPPRESSED" if suppressed else "NOT_WANTED"
            return self._drop(order, NoticeDropReason[reason])
        offered = tuple(channel for channel in wanted if channel in self._channels)
        if len(wanted) == 1 and not offered:
            return DeadLetter(NoticeDeadReason.CHANNEL_OFF)
        return _Wish(order, wanted, offered)

    def _register(self, wishes: Sequence["_Wish"]) -> None:
        """The notices of orders that come for the first time."""
        several = [
            Wanted(order.message_id, channel, order.patient)
            for order, _, offered in wishes
            if order.collected_at is None
            for channel in offered
        ]
        if several:
            self._notices.register_all(several)

    def _next_step(self, number: int, wish: "_Wish", now: datetime) -> "ReadyNotice | Outcome":
        order, wanted, offered = wish
        if wait := self._wait_for_others(order, offered, now):
            return wait
        self._withdraw(order, NoticeDropReason.NOT_WANTED, but=wanted)
        if len(wanted) > 1:
            return Publish(_one_each(order, list(wanted)), note=Note.ONE_EACH)
        [channel] = offered
        if wait := self._channels[channel].wait(order, now):
            return wait
        return ReadyNotice(number, order, channel, wanted[channel])

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
        """How long the notices wait for others. None when they have waited."""
        if order.collected_at is not None:
            left = order.collected_at - now
            return _collect(left, order) if left > timedelta(0) else None
        if not self._collecting:
            return None
        update = {"collected_at": now + self._collecting, "registered": tuple(offered)}
        waiting = order.model_copy(update=update)
        return _collect(self._collecting, waiting)

    def _send(self, ready: Sequence[ReadyNotice], now: datetime) -> dict[int, Outcome]:
        """One to each patient and channel at a time: it takes along what else waits there."""
        if not ready:
            return {}
        held = self._in_inbox({each.order.message_id for each in ready})
        outcomes: dict[int, Outcome] = {
            each.number: self._ask_again(each.order)
            for each in ready
            if each.order.message_id not in held
        }
        left = [each for each in ready if each.number not in outcomes]
        while left:
            first = {(each.order.patient, each.channel): each for each in reversed(left)}
            batch = sorted(first.values())
            crowded = Postpone(_CROWDED_WAIT, NoticeWaitReason.CHANNEL_BUSY)
            rules = Rules(self._pause, partial(self._leave, now=now), self._conclude)
            sent = self._sendings.send_all(batch, rules)
            outcomes |= {each.number: sent.get(each.number, crowded) for each in batch}
            left = [each for each in left if each.number not in outcomes]
        return outcomes

    def _pause(self, channel: Channel) -> Outcome | None:
        return self._channels[channel].pause(self._clock())

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

    def _conclude(self, several: Sequence[Sent]) -> list[Outcome]:
        for each in several:
            self._heed(each.ready.channel, each.result)
        ends = [_ending(each) for each in several]
        self._notices.record_results([ending for ending, _ in ends])
        for each, (ending, _) in zip(several, ends, strict=True):
            with self._named(each.ready.order):
                for _ in range(each.claim.count):
                    self._observe(each.ready.channel, ending.status, ending.detail)
        return [outcome for _, outcome in ends]

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


def _collect(wait: timedelta, order: NoticeOrder) -> Postpone:
    """The notices are registered: when this process ends meanwhile, another finds them."""
    return Postpone(wait, NoticeWaitReason.COLLECTING, instead=order, in_hand=True)


def _ending(sent: Sent) -> tuple[Ending, Outcome]:
    """What is stored of a result, and what becomes of the order."""
    end = partial(Ending, sent.claim)
    match sent.result:
        case Accepted(provider_id):
            accepted = end(NoticeStatus.ACCEPTED, provider_id=provider_id)
            return accepted, Done(DoneReason.ACCEPTED)
        case Rejected(detail):
            return end(NoticeStatus.REJECTED, detail), Done(DoneReason.REJECTED)
        case Uncertain(detail):
            return end(NoticeStatus.UNCERTAIN, detail), Done(DoneReason.UNCERTAIN)
        case TryLater(detail):
            not_taken = RetryLater(NoticeRetryReason.NOT_TAKEN, NotTaken(detail))
            return end(NoticeStatus.PENDING, detail), not_taken
        case ProviderDown(detail, wait):
            return end(NoticeStatus.PENDING, detail), _until_back(detail, wait)


def _one_each(order: NoticeOrder, channels: list[Channel]) -> tuple[NoticeOrder, ...]:
    """One order per channel, so that a failure of one neither repeats nor delays the other."""
    return tuple(order.model_copy(update={"channel": channel}) for channel in channels)


def _until_back(detail: str, wait: timedelta | None) -> Outcome:
    """Waiting for as long as we were asked to is no failed attempt."""
    if wait is not None:
        return Postpone(wait, NoticeWaitReason.BREAKER_OPEN)
    return RetryLater(NoticeRetryReason.PROVIDER_DOWN, NotTaken(detail))
