"""What is known when a change is judged: what the patient was told, and what is being awaited.

Everything here is about one circle (`shared.booking.inbox`): one patient in one booking system.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from shared.booking.inbox import Awaiting, Mark, MessageKind, Told
from shared.booking.times import instant

_ANNOUNCEMENTS = (MessageKind.BOOKING_CONFIRMATION, MessageKind.TIMED_CALL)


@dataclass(frozen=True)
class History:
    """Of the circle: what was told about the judged bookings, and all of late.

    `told` holds every message about the bookings in question and every one of the last while
    (`composer.pairing.horizon`); `marks` likewise, and whatever is being awaited.
    """

    told: tuple[Told, ...] = ()
    marks: tuple[Mark, ...] = ()

    def mark(self, booking: str) -> Mark | None:
        return self._marks.get(booking)

    def latest(self, booking: str) -> Told | None:
        """What the patient was told last about `booking`."""
        return self._latest.get(booking)

    def standing(self, booking: str) -> Told | None:
        """What the patient believes of `booking` now; None if it was cancelled or replaced."""
        told = self.latest(booking)
        if told is None or told.kind is MessageKind.CANCELLATION or self.was_replaced(booking):
            return None
        return told

    def was_replaced(self, booking: str) -> bool:
        mark = self.mark(booking)
        return mark is not None and mark.successor is not None

    def removed(self) -> Iterator[Mark]:
        """Bookings that are gone, except those of which it is known what took their place."""
        return (mark for mark in self.marks if mark.gone and mark.successor is None)

    def on_hold(self) -> Iterator[Mark]:
        """New bookings of which nothing is said yet."""
        return (mark for mark in self.marks if mark.awaiting is Awaiting.CREATION)

    def announced(self) -> Iterator[Told]:
        """Bookings that were told as new, take nothing's place, and stand as they were told."""
        successors = {mark.successor for mark in self.marks}
        for told in self.told:
            if told.kind in _ANNOUNCEMENTS and told.revision == 1:
                mark = self.mark(told.booking)
                untouched = self.standing(told.booking) is told and not (mark and mark.gone)
                if untouched and told.booking not in successors:
                    yield told

    @cached_property
    def _latest(self) -> dict[str, Told]:
        return {told.booking: told for told in sorted(self.told, key=lambda told: told.revision)}

    @cached_property
    def _marks(self) -> dict[str, Mark]:
        return {mark.booking: mark for mark in self.marks}


def is_ahead(starts: str, now: datetime) -> bool:
    """Whether `starts` is a time, and has not come yet."""
    return starts != "" and instant(starts) > now


def near(one: datetime, other: datetime, window: timedelta) -> bool:
    return abs(one - other) <= window


def only(candidates: Iterable[str]) -> str | None:
    """The one candidate; None when there is none, or a choice."""
    distinct = set(candidates)
    return distinct.pop() if len(distinct) == 1 else None
