"""A rate limit by slots that follow each other: the generic cell rate algorithm (GCRA).

What may not be sent now gets a slot, and returns for it once. Nothing is counted per window, so
no burst stands at the edge of two.
"""

from datetime import datetime, timedelta

from shared.base.clock import is_of_the_future


class Gcra:
    """A line of slots in this process. Not thread-safe: whoever has one guards it."""

    def __init__(self) -> None:
        self._free_from: datetime | None = None
        self._taken_at: datetime | None = None

    def ahead(self, now: datetime) -> timedelta:
        """How long after `now` the next free slot begins; zero when it is free now.

        Slots that were taken by a clock that went back since are forgotten.
        """
        if self._free_from is None or is_of_the_future(self._taken_at, now):
            return timedelta(0)
        return max(self._free_from - now, timedelta(0))

    def take(self, now: datetime, spacing: timedelta) -> datetime:
        """The beginning of the next slot, which is taken now and is `spacing` long."""
        slot = now + self.ahead(now)
        self._free_from = slot + spacing
        self._taken_at = now
        return slot
