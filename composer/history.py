"""What is known when a change is judged: what was announced to the patient, and what is awaited.

Everything here is about one patient's bookings at one source (`shared.booking.inbox`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from shared.booking.inbox import Announcement, Awaiting, MessageKind, Watermark
from shared.booking.times import instant

_NEW = (MessageKind.BOOKING_CONFIRMATION, MessageKind.TIMED_CALL)


@dataclass(frozen=True)
class History:
    """Of one patient's bookings at one source: what matters to a judgement.

    `announcements` holds every message about the bookings in question and every one within the
    history window (`composer.pairing.window_begins`); `watermarks` likewise, and those of bookings
    of which something is awaited.
    """

    announcements: tuple[Announcement, ...] = ()
    watermarks: tuple[Watermark, ...] = ()

    def watermark(self, booking: str) -> Watermark | None:
        return self._watermarks.get(booking)

    def latest(self, booking: str) -> Announcement | None:
        """The newest message about `booking`."""
        return self._latest.get(booking)

    def standing(self, booking: str) -> Announcement | None:
        """What the patient believes of `booking` now; None if it was cancelled or replaced."""
        latest = self.latest(booking)
        if latest is None or latest.kind is MessageKind.CANCELLATION or self.was_replaced(booking):
            return None
        return latest

    def was_replaced(self, booking: str) -> bool:
        watermark = self.watermark(booking)
        return watermark is not None and watermark.successor is not None

    def removed(self) -> Iterator[Watermark]:
        """Bookings that are gone, except those of which it is known what took their place."""
        return (each for each in self.watermarks if each.gone and each.successor is None)

    def on_hold(self) -> Iterator[Watermark]:
        """New bookings that are not announced yet."""
        return (each for each in self.watermarks if each.awaiting is Awaiting.CREATION)

    def announced_as_new(self) -> Iterator[Announcement]:
        """The announcements of bookings that took nothing's place and have not changed since."""
        successors = {watermark.successor for watermark in self.watermarks}
        for announcement in self.announcements:
            if announcement.kind in _NEW and announcement.revision == 1:
                booking = announcement.booking
                watermark = self.watermark(booking)
                is_gone = watermark is not None and watermark.gone
                stands = self.standing(booking) is announcement and not is_gone
                if stands and booking not in successors:
                    yield announcement

    @cached_property
    def _latest(self) -> dict[str, Announcement]:
        return {each.booking: each for each in sorted(self.announcements, key=_revision)}

    @cached_property
    def _watermarks(self) -> dict[str, Watermark]:
        return {watermark.booking: watermark for watermark in self.watermarks}


def _revision(announcement: Announcement) -> int:
    return announcement.revision


def is_ahead(starts: str, now: datetime) -> bool:
    """Whether `starts` is a time, and has not come yet."""
    return starts != "" and instant(starts) > now


def near(one: datetime, other: datetime, window: timedelta) -> bool:
    return abs(one - other) <= window


def only(candidates: Iterable[str]) -> str | None:
    """The one candidate; None when there is none, or a choice."""
    distinct = set(candidates)
    return distinct.pop() if len(distinct) == 1 else None
