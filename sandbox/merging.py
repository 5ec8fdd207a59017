"""Merges single Updates as the index does: those within one window are sent as one.

So one request holds engagements of unrelated booking systems, and of each key only what the index
kept (docs/domain.md, "ProcessNotification"; seen with index 3.7).
"""

import asyncio
from collections.abc import Callable
from hashlib import sha256

from sandbox.deliveries import OutgoingNotification
from sandbox.engagements import Key, Transaction


class MergeWindow:
    """Collects Updates and passes them to `emit` as one. Use it within the event loop.

    The window closes after `quiet_seconds` without an Update, or with the `most_calls`-th.
    """

    def __init__(
        self, emit: Callable[[OutgoingNotification], None], *, quiet_seconds: float, most_calls: int
    ) -> None:
        self._emit = emit
        self._quiet_seconds = quiet_seconds
        self._most_calls = most_calls
        self._kept: dict[Key, Transaction] = {}
        self._first: OutgoingNotification | None = None
        self._closing: asyncio.TimerHandle | None = None
        self.waiting = 0  # Updates in the window

    def add(self, update: OutgoingNotification) -> list[Transaction]:
        """Add `update`; the transactions of it that are kept."""
        self._first = self._first or update
        self.waiting += 1
        kept = [one for one in update.transactions if supersedes(one, self._kept.get(one.key))]
        self._kept.update((one.key, one) for one in kept)
        self._close_later()
        return kept

    def close(self) -> None:
        """Emit what was collected, if anything."""
        self.cancel()
        first, kept, self._first, self._kept = self._first, self._kept, None, {}
        self.waiting = 0
        if first is not None:
            merged = sorted(kept.values(), key=_scattered)
            self._emit(OutgoingNotification(merged, first.correlation_id, first.consumer))

    def cancel(self) -> None:
        """Cancel the closing by time."""
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None

    def _close_later(self) -> None:
        if self.waiting >= self._most_calls or not self._quiet_seconds:
            self.close()
            return
        self.cancel()
        loop = asyncio.get_running_loop()
        self._closing = loop.call_later(self._quiet_seconds, self.close)


def supersedes(new: Transaction, kept: Transaction | None) -> bool:
    """Whether `new` replaces the transaction of the same key in the window.

    A removal always does, and nothing replaces a removal: created, removed and created again
    within one window is one removal.
    """
    if kept is None or new.delete_flag:
        return True
    if kept.delete_flag:
        return False
    return (new.most_recent_content or "") > (kept.most_recent_content or "")


def _scattered(transaction: Transaction) -> bytes:
    """In the order of a hash, as the index: the order is not that of arrival."""
    return sha256("\0".join(transaction.key).encode()).digest()
