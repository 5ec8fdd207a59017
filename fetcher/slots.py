"""The rate of one source, as this process sees it.

All fetchers share one line of slots per source (`source_slot`), so the rate holds over all of
them. A slot is an instant; slots follow each other at the source's spacing. They are taken from
the line a few at a time, so that a busy source does not cost a round trip per call.
"""

from collections import deque
from datetime import datetime, timedelta
from math import ceil
from typing import Protocol

from shared.base.clock import is_of_the_future
from shared.base.gcra import Gcra

SECOND = timedelta(seconds=1)

#: How far ahead of its slot a call may go, and how long after it an unused slot is still good.
#: So up to a second's calls may go at once, as when one request tells of several bookings.
TOLERANCE = SECOND

#: Slots taken at once: a tenth of a second's, or, when calls are postponed and each slot is sure
#: to find its call, a second's. Slots that find none are lost to the other processes.
_FREE_BLOCK, _BUSY_BLOCK = SECOND / 10, SECOND
_LARGEST_BLOCK = 100

#: How far calls may run ahead of the rate in one process. Above `TOLERANCE`, since messages come
#: back from a delay up to a second late and so in small bunches.
_BURST = 3 * SECOND


class Slots(Protocol):
    """The line of slots that all processes share."""

    def reserve(
        self, hsa_key: str, *, now: datetime, not_before: datetime, span: timedelta
    ) -> datetime:
        """Take the next `span` of the line that begins at `not_before` or later; its beginning.

        Raises `Unavailable`.
        """


class SlotQueue:
    """Hands out the slots of one source. Not thread-safe: whoever has one guards it."""

    def __init__(self, hsa_key: str, slots: Slots) -> None:
        self._hsa_key = hsa_key
        self._slots = slots
        self._block: deque[datetime] = deque()
        self._reserved_at: datetime | None = None
        self._busy = False

    def next(self, now: datetime, *, not_before: datetime, spacing: timedelta) -> datetime:
        """A slot of this call's own, `not_before` or later. Raises `Unavailable`."""
        if is_of_the_future(self._reserved_at, now):
            self._block.clear()
        while self._block and self._block[0] < not_before - TOLERANCE:
            self._block.popleft()
        if not self._block:
            self._take_block(now, not_before, spacing)
        slot = self._block.popleft()
        self._busy = slot > now + TOLERANCE
        return slot

    def _take_block(self, now: datetime, not_before: datetime, spacing: timedelta) -> None:
        wanted = ceil((_BUSY_BLOCK if self._busy else _FREE_BLOCK) / spacing)
        size = min(wanted, _LARGEST_BLOCK)
        first = self._slots.reserve(
            self._hsa_key, now=now, not_before=not_before, span=size * spacing
        )
        self._reserved_at = now
        self._block.extend(first + spacing * number for number in range(size))


class Pace:
    """Keeps the calls that this process really makes to their rate. Not thread-safe.

    Slots alone do not: after an outage of the fetchers, thousands of messages come back whose
    slots have all passed.
    """

    def __init__(self) -> None:
        self._line = Gcra()

    def allows(self, now: datetime) -> bool:
        return self._line.ahead(now) <= _BURST

    def start(self, now: datetime, spacing: timedelta) -> None:
        self._line.take(now, spacing)
