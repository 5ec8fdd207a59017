"""Rebookings that come as a removal and a creation in requests of their own, seconds apart.

The two are a pair when each is the other's only candidate: of the same patient and booking system,
taken by ingest within one window of each other, both with a time that lies ahead. With a second
removal or a second creation near, nobody knows which belong together, and nothing is paired.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from composer.history import History, is_ahead, near, only
from composer.noticeable import unit_of
from shared.booking.inbox import Announcement, Awaiting, Watermark
from shared.booking.messages import BookingDetails


@dataclass(frozen=True, slots=True)
class Pairing:
    """Looks for pairs in `history`, as things stand `now`."""

    history: History
    now: datetime
    window: timedelta

    def removal_for(
        self, created: str, received_at: datetime, details: BookingDetails
    ) -> Announcement | None:
        """What the new booking `created` takes the place of, if that is beyond doubt."""
        removed = only(self._removals_near(received_at))
        watermark = self.history.watermark(removed) if removed else None
        if not watermark or watermark.awaiting is not Awaiting.REMOVAL:
            return None
        if self._creations_near(watermark.received_at) - {created}:
            return None
        standing = self.history.standing(watermark.booking)
        return standing if standing and self._may_be_one_visit(standing, details) else None

    def creation_for(self, removed: Announcement, received_at: datetime) -> Announcement | None:
        """The booking announced as new that took the place of `removed`, if beyond doubt."""
        created = only(self._creations_near(received_at))
        standing = self.history.standing(created) if created else None
        if not standing or not is_ahead(standing.state.starts, self.now):
            return None
        if self._removals_near(standing.received_at) - {removed.booking}:
            return None
        return standing if self._may_be_one_visit(removed, standing.state) else None

    def holds_creations(self) -> bool:
        """Whether a new booking waits for a removal to be decided."""
        return any(self.history.on_hold())

    def due(self, watermark: Watermark) -> datetime:
        """When what `watermark` awaits is decided."""
        return (watermark.awaiting_since or self.now) + self.window

    def _removals_near(self, moment: datetime) -> set[str]:
        return {
            watermark.booking
            for watermark in self.history.removed()
            if near(watermark.received_at, moment, self.window)
        }

    def _creations_near(self, moment: datetime) -> set[str]:
        new: list[Watermark | Announcement] = [
            *self.history.on_hold(),
            *self.history.announced_as_new(),
        ]
        return {one.booking for one in new if near(one.received_at, moment, self.window)}

    def _may_be_one_visit(self, removed: Announcement, created: BookingDetails) -> bool:
        """Another unit that says it gives other care is another visit, whatever the clock says.

        One booking system may serve a whole region: a cancelled visit to the eye clinic and a
        new one to the physiotherapist within a minute are no rebooking.
        """
        old = removed.state
        if not is_ahead(old.starts, self.now):
            return False
        cares = old.care_type_name, created.care_type_name
        return unit_of(old) == unit_of(created) or not all(cares) or cares[0] == cares[1]


def window_begins(received_at: datetime, window: timedelta) -> datetime:
    """From when on, by ingest's clock, everything of a patient's bookings may matter to pairing."""
    return received_at - 2 * window
