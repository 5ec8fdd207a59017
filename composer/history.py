"""What is known when a change is judged: what was announced to the patient, and what is awaited.

Everything here is about one patient's bookings at one source (`shared.booking.inbox`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from shared.booking.inbox import AnnouncedElsewhere, Announcement, MessageKind, Watermark
from shared.booking.times import instant

#: What is not decided yet is looked at so many times in a window. A removal lets a held booking
#: that takes its place be judged first meanwhile.
_LOOKS_PER_WINDOW = 20
_NEW = (MessageKind.BOOKING_CONFIRMATION, MessageKind.TIMED_CALL, MessageKind.OPEN_CALL)


@dataclass(frozen=True)
class History:
    """Of one patient's bookings at one source: what matters to a judgement.

    `announcements` holds every message about the bookings in question and every one within the
    history window (`window_begins`); `watermarks` likewise, and those of bookings of which
    something is awaited. `same_id_elsewhere` are those of other patients' bookings that have the
    judged one's id at its source; `announced_elsewhere` has the announced ones among them, by
    digest. `created_again` are bookings whose removal is awaited:
    when ingest took a creation since, which is pending.
    """

    announcements: tuple[Announcement, ...] = ()
    watermarks: tuple[Watermark, ...] = ()
    same_id_elsewhere: tuple[Watermark, ...] = ()
    announced_elsewhere: Mapping[str, AnnouncedElsewhere] = field(default_factory=dict)
    created_again: Mapping[str, datetime] = field(default_factory=dict)

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

    def heir(self, booking: str) -> Announcement | None:
        """What stands in the place of `booking` now: itself, or what replaced it in the end."""
        seen = {booking}
        while (watermark := self.watermark(booking)) and watermark.successor:
            booking = watermark.successor
            if booking in seen:
                return None
            seen.add(booking)
        return self.standing(booking)

    def is_announced(self, other: Watermark) -> bool:
        """Whether `other`, of `same_id_elsewhere`, was announced since it was created, or stands as
        it was announced."""
        announced, seen = self.announced_elsewhere.get(other.booking), other.first_seen_at
        if announced is None:
            return False
        stands = not (other.gone or other.awaiting or other.successor)
        return stands or (seen is not None and announced.received_at >= seen)

    def announced_as_new(self) -> Iterator[Announcement]:
        """The announcements of bookings that took nothing's place and were not changed or cancelled
        since. They may have been replaced."""
        successors = {watermark.successor for watermark in self.watermarks}
        for booking, announcement in self._latest.items():
            if booking not in successors and self._is_new(announcement):
                yield announcement

    def _is_new(self, announcement: Announcement) -> bool:
        """Whether its patient believed in no such booking before: in none, or not since it was
        cancelled or replaced."""
        if announcement.kind not in _NEW or announcement.revision == 1:
            return announcement.kind in _NEW
        of_booking = [each for each in self.announcements if each.booking == announcement.booking]
        earlier = [each for each in of_booking if each.revision < announcement.revision]
        if not earlier:
            return False  # it took another one's place
        before = max(earlier, key=_revision)
        is_other_entry = before.calendar_uid != announcement.calendar_uid
        return before.kind is MessageKind.CANCELLATION or is_other_entry

    @cached_property
    def _latest(self) -> dict[str, Announcement]:
        return {each.booking: each for each in sorted(self.announcements, key=_revision)}

    @cached_property
    def _watermarks(self) -> dict[str, Watermark]:
        return {watermark.booking: watermark for watermark in self.watermarks}


def _revision(announcement: Announcement) -> int:
    return announcement.revision


def no_longer_awaited(watermark: Watermark) -> Watermark:
    return replace(watermark, awaiting=None, awaiting_since=None)


def without_ended_waits(
    watermarks: Iterable[Watermark], begun_before: datetime
) -> Iterator[Watermark]:
    """What was awaited since then is so no longer: its message was dropped, or died on the way."""
    for watermark in watermarks:
        since = watermark.awaiting_since
        is_ended = since is not None and since < begun_before
        yield no_longer_awaited(watermark) if is_ended else watermark


def is_ahead(starts: str, now: datetime) -> bool:
    """Whether `starts` is a time, and has not come yet."""
    return starts != "" and instant(starts) > now


def near(one: datetime, other: datetime, window: timedelta) -> bool:
    return abs(one - other) <= window


def soon(window: timedelta) -> timedelta:
    """How long what waits for the judgement of another booking waits before it is judged again."""
    return window / _LOOKS_PER_WINDOW


def window_begins(received_at: datetime, window: timedelta) -> datetime:
    """From when on, by ingest's clock, all of a patient's bookings may matter to a replacement."""
    return received_at - 2 * window
