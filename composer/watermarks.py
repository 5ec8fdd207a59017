"""How far the judging of a booking has come after a judgement."""

from dataclasses import dataclass, replace
from datetime import datetime

from composer.history import no_longer_awaited
from shared.booking.identity import BookingKey
from shared.booking.inbox import (
    Awaiting,
    Watermark,
)
from shared.booking.messages import BookingDetails, FetchedBooking

#: What of a booking's details is compared.
_COMPARED = {
    *("starts", "time_type_id", "time_type_name", "care_type_id", "care_type_name"),
    *("performer", "performer_name", "unit", "is_call_letter"),
}


@dataclass(frozen=True, slots=True)
class Watermarks:
    """The new watermark of the judged booking, by what is awaited; `before` is the one it has."""

    fetched: FetchedBooking
    before: Watermark | None
    now: datetime

    def decided(self) -> Watermark:
        """Nothing is awaited."""
        fetched, before = self.fetched, self.before
        created = not fetched.deleted or fetched.details is not None
        first_seen = first_seen_at(fetched.received_at, before) if created else None
        if before is None:
            return self._first(first_seen)
        is_newest = fetched.received_at >= before.received_at
        return replace(
            before,
            fetched_at=max(fetched.fetched_at, before.fetched_at),
            gone=fetched.details is None,
            received_at=fetched.received_at if is_newest else before.received_at,
            notification_id=fetched.notification_id if is_newest else before.notification_id,
            first_seen_at=first_seen or before.first_seen_at,
            removed_at=self._removed_at,
            awaiting=None,
            awaiting_since=None,
            unpaired=False,
            held=None,
            unit=fetched.booking.logical_address,
        )

    def stands(self) -> Watermark:
        """Announced: whatever took its place once does so no longer."""
        return replace(self.decided(), successor=None)

    def replaced_by(self, successor: str) -> Watermark:
        """`successor` (a digest) stands in its place."""
        return replace(self.decided(), gone=True, successor=successor)

    def awaiting(self, awaiting: Awaiting) -> Watermark:
        """Counted from its beginning, however often it is looked at."""
        before = self.before
        if before is None or before.awaiting is not awaiting:
            return self.since_now(self.decided(), awaiting)
        return replace(
            self.decided(),
            awaiting=awaiting,
            awaiting_since=awaited_since(self.fetched, before, awaiting, self.now),
            unpaired=before.unpaired,
            received_at=before.received_at,
            notification_id=before.notification_id,
        )

    def stale(self, before: Watermark) -> Watermark:
        """A newer state was judged: no one is to wait for this change any longer."""
        fetched = self.fetched
        is_newest = fetched.received_at >= before.received_at
        if not is_newest or before.held or before.awaiting is Awaiting.REMOVAL:
            return before
        return replace(
            no_longer_awaited(before),
            received_at=fetched.received_at,
            notification_id=fetched.notification_id,
        )

    def held_back(self, details: BookingDetails) -> Watermark:
        """It may have taken the place of one whose removal is not decided."""
        held = compared(self.fetched.booking, details)
        return replace(self.awaiting(Awaiting.CREATION), held=held)

    def since_now(self, watermark: Watermark, awaiting: Awaiting) -> Watermark:
        return replace(
            watermark,
            awaiting=awaiting,
            awaiting_since=self.now,
            received_at=self.fetched.received_at,
            notification_id=self.fetched.notification_id,
        )

    def _first(self, first_seen: datetime | None) -> Watermark:
        fetched = self.fetched
        return Watermark(
            booking=fetched.booking.digest,
            patient_bookings=fetched.booking.patient_bookings,
            same_id=fetched.booking.same_id,
            fetched_at=fetched.fetched_at,
            gone=fetched.details is None,
            received_at=fetched.received_at,
            notification_id=fetched.notification_id,
            first_seen_at=first_seen,
            removed_at=self._removed_at,
            unit=fetched.booking.logical_address,
        )

    @property
    def _removed_at(self) -> datetime | None:
        former = self.before.removed_at if self.before else None
        own = self.fetched.received_at if self.fetched.deleted else None
        return max(filter(None, (former, own)), default=None)


def replaced_watermark(watermark: Watermark, successor: str) -> Watermark:
    """Of another booking, whose place `successor` (a digest) took."""
    return replace(no_longer_awaited(watermark), gone=True, successor=successor)


def compared(booking: BookingKey, details: BookingDetails) -> BookingDetails:
    """What of `details` is kept while `booking` is held back."""
    return BookingDetails(
        **{**details.model_dump(include=_COMPARED), "unit": booking.logical_address}
    )


def first_seen_at(received_at: datetime, before: Watermark | None) -> datetime:
    """When ingest first took a creation of the booking, in its present life. `received_at`: when it
    took the judged one."""
    if before is None or before.first_seen_at is None:
        return received_at
    came_back = before.gone and before.awaiting is not Awaiting.CREATION
    if came_back and received_at >= before.received_at:
        return received_at
    return min(before.first_seen_at, received_at)


def awaited_since(
    fetched: FetchedBooking, before: Watermark | None, awaiting: Awaiting, now: datetime
) -> datetime:
    """Since when it is awaited what became of the booking.

    A removal counts from the first look at the source, not from when it was taken: where the source
    has many to answer before, it answers about a booking that takes the place as much later.
    """
    if before is None or before.awaiting is not awaiting or before.awaiting_since is None:
        return now
    unlooked = before.fetched_at <= before.received_at
    is_first_look = unlooked and fetched.fetched_at > before.fetched_at
    return now if is_first_look else before.awaiting_since
