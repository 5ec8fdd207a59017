"""A booking that was removed under one person number, and created under another.

docs/domain.md, "A new person number".
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from composer.candidates import WINDOWS_OF_WAITING
from composer.history import History, near
from shared.booking.identity import BookingKey, same_hsa_id
from shared.booking.inbox import Awaiting, Watermark


@dataclass(frozen=True)
class OtherNumbers:
    """What the index said under other person numbers of the booking `own`, about when that was
    `removed_at`. `units`: where else it may have been."""

    history: History
    own: BookingKey
    units: frozenset[str]
    removed_at: datetime
    window: timedelta

    @property
    def here(self) -> list[Watermark]:
        """Bookings with the id of `own`, except those that are announced at other units."""
        announced = self.history.announced_elsewhere
        others = ((each, announced.get(each.booking)) for each in self.history.same_id_elsewhere)
        unit = self.own.logical_address
        return [
            each for each, of in others if of is None or same_hsa_id(of.key.logical_address, unit)
        ]

    @property
    def named(self) -> bool:
        """Whether the index has named any, created or removed."""
        return any(map(self._is_named, self.here))

    def has_since(self, at: datetime) -> bool:
        """Whether another number got it after `at`, or got it back."""
        seen = (each.received_at if is_there(each) else each.first_seen_at for each in self.here)
        return any(each is not None and each > at for each in seen)

    @cached_property
    def created(self) -> list[Watermark]:
        """What was created since, or said to be there, and is this visit."""
        of_patient: dict[str, list[Watermark]] = defaultdict(list)
        for each in self.history.same_id_elsewhere:
            of_patient[each.patient_bookings].append(each)
        own = (each for same in of_patient.values() for each in self._own_among(same))
        return [each for each in own if self._is_since(each)]

    def _own_among(self, others: Sequence[Watermark]) -> Sequence[Watermark]:
        """Those of `others`, of one patient, that are this visit. Before one is announced nobody
        knows at which units they are; then all are, if one was where `own` was."""
        announced = self.history.announced_elsewhere
        known = [announced[each.booking].key for each in others if each.booking in announced]
        named = [each for each in others if self._is_named(each)]
        if not known:
            return named
        units = {self.own.logical_address, *self._passed}
        here = {known[0].replaced(logical_address=unit).digest for unit in units}
        return others if any(each.booking in here for each in named) else ()

    @cached_property
    def _passed(self) -> dict[str, datetime]:
        """The units where it was, too, on the way to where it stands: when the index last said
        something of it there."""
        elsewhere = (each.key for each in self.history.announced_elsewhere.values())
        own = (each.key for each in self.history.announcements)
        same_id = self.own.same_id
        units = {each.logical_address for each in (*own, *elsewhere) if each.same_id == same_id}
        marks = {
            unit: self.history.watermark(self.own.replaced(logical_address=unit).digest)
            for unit in units | self.units
            if not same_hsa_id(unit, self.own.logical_address)
        }
        return {
            unit: mark.received_at
            for unit, mark in marks.items()
            if mark and near(mark.received_at, self.removed_at, 2 * self.window)
        }

    def _is_since(self, other: Watermark) -> bool:
        if self._has_left(other):
            return False
        seen = other.first_seen_at
        return is_there(other) or (seen is not None and seen >= self._earliest)

    def _has_left(self, other: Watermark) -> bool:
        """The visit came from there, and the source denies that it is back, if it was asked."""
        return other.successor == self.own.digest and other.awaiting is None

    @property
    def _earliest(self) -> datetime:
        return self.removed_at - self.window

    def _is_named(self, other: Watermark) -> bool:
        is_near = self._is_seen_near(other) or self._is_near(other.received_at)
        return is_near or self._stands_beside(other)

    def _is_seen_near(self, other: Watermark) -> bool:
        return other.first_seen_at is not None and self._is_near(other.first_seen_at)

    def _is_near(self, at: datetime) -> bool:
        return any(
            near(at, each, self.window) for each in (self.removed_at, *self._passed.values())
        )

    def _stands_beside(self, other: Watermark) -> bool:
        """The index could not reach us in between, or was slow. No longer than that: some systems
        give an id again."""
        mark = self.history.watermark(self.own.digest)
        own = mark.first_seen_at if mark else None
        if own is None or other.first_seen_at is None or other.gone:
            return False
        seen = other.first_seen_at
        return own < seen <= self.removed_at and near(
            seen, self.removed_at, WINDOWS_OF_WAITING * self.window
        )

    @property
    def announced(self) -> Watermark | None:
        """One whose patient was told of it, and is told when it is cancelled.

        It may be gone by now, if it came after the removed one: of two that are gone, each would
        hide the cancellation of the other. A creation that is not judged yet may be an old one.
        """
        mark = self.history.watermark(self.own.digest)
        own = mark.first_seen_at if mark else None
        judged = (each for each in self.created if each.awaiting is not Awaiting.CREATION)
        for other in filter(self._is_announced, judged):
            is_later = own is None or (other.first_seen_at or own) > own
            has_come_back = own is not None and other.received_at > own
            if is_later or (has_come_back and is_there(other) and not other.gone):
                return other
        return None

    @property
    def awaited(self) -> list[Watermark]:
        """Those that may still be announced. Of two that are removed and that nobody was told of,
        each would wait for the other."""
        is_believed = self.history.standing(self.own.digest) is not None
        return [
            each
            for each in self.created
            if each.awaiting is Awaiting.CREATION
            or (each.awaiting and is_believed and not self._is_announced(each))
        ]

    def _is_announced(self, other: Watermark) -> bool:
        announced = self.history.announced_elsewhere.get(other.booking)
        is_recent = announced is not None and announced.received_at >= self._earliest
        return is_recent or self.history.is_announced(other)

    def removed_since(self, booking: str) -> Watermark | None:
        """`booking`, if the index has removed it and the source does not say that it is there; or
        if the visit came from there, and the source denies that it has come back."""
        for other in self.history.same_id_elsewhere:
            is_removed = other.gone or other.awaiting is Awaiting.REMOVAL
            is_since = other.received_at > self.removed_at
            if other.booking == booking and is_removed and (is_since or self._has_left(other)):
                return other
        return None

    @property
    def unanswered(self) -> Watermark | None:
        """One that the index created, and about which nothing else is known: as long as it is
        pending, which is no longer than the fetcher tries."""
        return next((each for each in self.awaited if each.awaiting is Awaiting.CREATION), None)


def is_there(other: Watermark) -> bool:
    """As far as the index has said, unless the source has denied it."""
    if other.awaiting is Awaiting.REMOVAL:
        return False
    return not other.gone or other.awaiting is Awaiting.CREATION
