"""How far the judging of a booking has come after a judgement."""

from dataclasses import dataclass, replace
from datetime import datetime

from composer.candidates import awaited_since, compared, first_seen_at
from composer.history import no_longer_awaited
from shared.booking.inbox import (
    Awaiting,
    Watermark,
)
from shared.booking.messages import BookingDetails, FetchedBooking


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
            awaiting=None,
            awaiting_since=None,
            unpaired=False,
            held=None,
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
        )


def replaced_watermark(watermark: Watermark, successor: str) -> Watermark:
    """Of another booking, whose place `successor` (a digest) took."""
    return replace(no_longer_awaited(watermark), gone=True, successor=successor)
