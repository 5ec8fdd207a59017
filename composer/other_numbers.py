"""A booking that was removed under one person number, and created under another.

docs/domain.md, "A new person number".
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from composer.candidates import WINDOWS_OF_WAITING
from composer.history import History, near
from shared.booking.inbox import Awaiting, Watermark


@dataclass(frozen=True)
class OtherNumbers:
    """What the index created under other numbers, with the id of `own`, when that was `removed_at`.

    At which unit another number's booking is, is known when it is announced: elsewhere, it is
    another booking.
    """

    history: History
    own: Watermark | None
    removed_at: datetime
    window: timedelta

    @property
    def named(self) -> bool:
        """Whether the index has named any, created or removed."""
        seen = (each.first_seen_at or each.received_at for each in self.history.same_id_elsewhere)
        return any(near(at, self.removed_at, self.window) for at in seen)

    @cached_property
    def created(self) -> list[Watermark]:
        others = self.history.same_id_elsewhere
        return [each for each in others if self._is_near(each) or self._stands_beside(each)]

    def _stands_beside(self, other: Watermark) -> bool:
        """The index could not reach us in between, or was slow. No longer than that: some systems
        give an id again."""
        own = self.own.first_seen_at if self.own else None
        if own is None or other.first_seen_at is None or other.gone:
            return False
        seen = other.first_seen_at
        return own < seen <= self.removed_at and near(
            seen, self.removed_at, WINDOWS_OF_WAITING * self.window
        )

    def _is_near(self, other: Watermark) -> bool:
        seen = other.first_seen_at
        return seen is not None and near(seen, self.removed_at, self.window)

    @property
    def announced(self) -> Watermark | None:
        """One whose patient was told of it, and is told when it is cancelled.

        It may be gone by now, if it came after the removed one: of two that are gone, each would
        hide the cancellation of the other.
        """
        own = self.own.first_seen_at if self.own else None
        for other in filter(self.history.is_announced, self.created):
            is_later = own is None or (other.first_seen_at or own) > own
            if is_later or not other.gone:
                return other
        return None

    @property
    def awaited(self) -> list[Watermark]:
        """Those that may still be announced."""
        return [
            each for each in self.created if each.awaiting and not self.history.is_announced(each)
        ]

    def removed_since(self, booking: str) -> Watermark | None:
        """`booking`, if the index has removed it and the source does not say that it is there."""
        for other in self.history.same_id_elsewhere:
            is_removed = other.gone or other.awaiting is Awaiting.REMOVAL
            if other.booking == booking and is_removed and other.received_at > self.removed_at:
                return other
        return None

    @property
    def unanswered(self) -> Watermark | None:
        """One that the index created, and about which nothing else is known."""
        return next((each for each in self.awaited if each.awaiting is Awaiting.CREATION), None)
