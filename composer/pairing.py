"""Rebookings that come as a removal and a creation in requests of their own, seconds apart.

The two are a pair when each is the other's only candidate: of the same patient and booking system,
taken by ingest within one window of each other, both with a time that lies ahead. With a second
removal or a second creation near, nobody knows which belong together, and nothing is paired.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from composer.history import History, is_ahead, near, only
from composer.noticeable import unit_of
from shared.booking.inbox import Awaiting, Mark, Told
from shared.booking.messages import BookingDetails


@dataclass(frozen=True, slots=True)
class Pairing:
    """Looks for pairs in `history`, as things stand `now`."""

    history: History
    now: datetime
    window: timedelta

    def removal_for(
        self, created: str, received_at: datetime, details: BookingDetails
    ) -> Told | None:
        """What the new booking `created` takes the place of, if that is beyond doubt."""
        removed = only(self._removals_near(received_at))
        mark = self.history.mark(removed) if removed else None
        if not mark or mark.awaiting is not Awaiting.REMOVAL:
            return None
        if self._creations_near(mark.received_at) - {created}:
            return None
        told = self.history.standing(mark.booking)
        return told if told and self._may_be_one_errand(told, details) else None

    def creation_for(self, removed: Told, received_at: datetime) -> Told | None:
        """The booking told as new that took the place of `removed`, if that is beyond doubt."""
        created = only(self._creations_near(received_at))
        told = self.history.standing(created) if created else None
        if not told or not is_ahead(told.state.starts, self.now):
            return None
        if self._removals_near(told.received_at) - {removed.booking}:
            return None
        return told if self._may_be_one_errand(removed, told.state) else None

    def holds_creations(self) -> bool:
        """Whether a new booking waits for a removal to be settled."""
        return any(self.history.on_hold())

    def due(self, mark: Mark) -> datetime:
        """When what `mark` awaits is settled."""
        return (mark.awaiting_since or self.now) + self.window

    def _removals_near(self, moment: datetime) -> set[str]:
        return {
            mark.booking
            for mark in self.history.removed()
            if near(mark.received_at, moment, self.window)
        }

    def _creations_near(self, moment: datetime) -> set[str]:
        new: list[Mark | Told] = [*self.history.on_hold(), *self.history.announced()]
        return {one.booking for one in new if near(one.received_at, moment, self.window)}

    def _may_be_one_errand(self, removed: Told, created: BookingDetails) -> bool:
        """Another unit that says it gives other care is another errand, whatever the clock says.

        One booking system may serve a whole region: a cancelled visit to the eye clinic and a
        new one to the physiotherapist within a minute are no rebooking.
        """
        old = removed.state
        if not is_ahead(old.starts, self.now):
            return False
        cares = old.care_type_name, created.care_type_name
        return unit_of(old) == unit_of(created) or not all(cares) or cares[0] == cares[1]


def horizon(received_at: datetime, window: timedelta) -> datetime:
    """From when on, by ingest's clock, everything in a circle may matter to a pairing."""
    return received_at - 2 * window
