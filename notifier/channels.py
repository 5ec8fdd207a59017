"""One channel of notices: its provider, and when it may send."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from notifier.pacing import Bulkhead, QuietHours, Slots
from notifier.results import SendResult
from shared.booking.messages import NoticeOrder
from shared.relay.outcomes import Postpone

#: A slot this near is used at once: a delay would cost more than it protects.
_NEAR = timedelta(seconds=1)
#: The default number of concurrent sendings on one channel.
_AT_ONCE = 6


class NoticeWaitReason(StrEnum):
    COLLECTING = "collecting"  # for other messages to the same patient
    QUIET_HOURS = "quiet_hours"
    RATE_LIMIT = "rate_limit"
    BREAKER_OPEN = "breaker_open"
    CHANNEL_BUSY = "channel_busy"  # its provider is slow; the other channel has threads left
    BEING_SENT = "being_sent"  # by another worker, or by one that died a moment ago


class Sender(Protocol):
    """A provider of one channel. Another provider is another class with this method."""

    def send(self, notice_id: str, address: str, *, several: bool = False) -> SendResult:
        """Send the notice once; `several`: it is about more than one message.

        Raises no error of its library.
        """


class ChannelBreaker(Protocol):
    """As `notifier.pacing.CircuitBreaker`, or several of them as one (`notifier.failover`)."""

    @property
    def closed(self) -> bool: ...
    def open_until(self, now: datetime) -> datetime | None: ...
    def open(self, now: datetime, asked: timedelta | None = None) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class OutgoingChannel:
    """One channel: its sender, and its limits."""

    sender: Sender
    breaker: ChannelBreaker
    quiet_hours: QuietHours | None = None
    slots: Slots | None = None
    bulkhead: Bulkhead = field(default_factory=lambda: Bulkhead(_AT_ONCE))

    def wait(self, order: NoticeOrder, now: datetime) -> Postpone | None:
        """Why and how long `order` waits; None when it may be sent."""
        if self.quiet_hours and (morning := self.quiet_hours.end_after(now)):
            return Postpone(morning - now, NoticeWaitReason.QUIET_HOURS)
        return self.pause(now) or self._wait_for_slot(order, now)

    def pause(self, now: datetime) -> Postpone | None:
        """How long the breaker is open; None when it is closed or half-open."""
        retry = self.breaker.open_until(now)
        return Postpone(retry - now, NoticeWaitReason.BREAKER_OPEN) if retry else None

    def enter(self, wanted: int, *, patient: bool) -> int:
        """Reserve up to `wanted` concurrent sendings; how many. Give them back with `leave`.

        While the breaker is half-open there is one: one notice at a time finds out whether the
        provider is back.
        """
        alone = not self.breaker.closed
        return self.bulkhead.enter_some(wanted, alone=alone, patient=patient)

    def leave(self, places: int) -> None:
        self.bulkhead.leave(places)

    def _wait_for_slot(self, order: NoticeOrder, now: datetime) -> Postpone | None:
        if self.slots is None:
            return None
        slot = self.slots.slot(order.slot, now)
        if slot - now <= _NEAR:
            return None
        holder = order.model_copy(update={"slot": slot})
        return Postpone(slot - now, NoticeWaitReason.RATE_LIMIT, instead=holder)
