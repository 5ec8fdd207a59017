"""The rate limit of one source (GCRA), in this process.

All fetchers reserve slots of one table (`source_slot`), so the limit holds over all of them. A slot
is an instant; slots of a source lie at the spacing of its rate. They are reserved in blocks, so
that a busy source does not need a round trip for each call.
"""

from collections import deque
from datetime import datetime, timedelta
from math import ceil
from typing import Protocol

from shared.base.clock import is_of_the_future
from shared.base.gcra import Gcra

SECOND = timedelta(seconds=1)

#: How long before its slot a call may be made, and how long after it an unused slot is valid. So up
#: to a second's calls may be made at once, as when one request is about several bookings.
TOLERANCE = SECOND

#: Slots reserved at once: for a tenth of a second, or for a second when calls are postponed
#: and every slot will be used. Unused slots are lost to the other processes.
_FREE_BLOCK, _BUSY_BLOCK = SECOND / 10, SECOND
_LARGEST_BLOCK = 100

#: How far calls may run ahead of the rate in one process. Longer than `TOLERANCE`, since messages
#: return from a delay up to a second late, several at once.
_BURST = 3 * SECOND


class SharedSlots(Protocol):
    """The slots of each source, which all processes share."""

    def reserve(
        self, hsa_key: str, *, now: datetime, not_before: datetime, span: timedelta
    ) -> datetime:
        """Reserve the next `span` that begins at `not_before` or later; its beginning.

        Raises `Unavailable`.
        """


class SlotQueue:
    """Hands out the slots of one source. Not thread-safe: its owner guards it."""

    def __init__(self, hsa_key: str, slots: SharedSlots) -> None:
        self._hsa_key = hsa_key
        self._slots = slots
        self._block: deque[datetime] = deque()
        self._reserved_at: datetime | None = None
        self._busy = False

    def next(self, now: datetime, *, not_before: datetime, spacing: timedelta) -> datetime:
        """The next slot, `not_before` or later. Raises `Unavailable`."""
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
    """Holds the calls that this process makes to the rate. Not thread-safe.

    Slots alone do not suffice: after an outage of the fetchers thousands of messages return
    whose slots have passed.
    """

    def __init__(self) -> None:
        self._line = Gcra()

    def allows(self, now: datetime) -> bool:
        return self._line.ahead(now) <= _BURST

    def start(self, now: datetime, spacing: timedelta) -> None:
        self._line.take(now, spacing)
