"""How the index merges single Updates: whatever comes within its window goes out as one.

So a request holds engagements of booking systems that know nothing of each other, and of one key
only what the index kept of it (docs/domain.md, "ProcessNotification"; seen with index 3.7).
"""

import asyncio
from collections.abc import Callable
from hashlib import sha256

from sandbox.deliveries import Notification
from sandbox.engagements import Key, Transaction


class MergeWindow:
    """Collects Updates and hands them to `emit` as one. Call it from within the loop.

    It closes when nothing came for `quiet_seconds`, or with its `most_calls`-th Update.
    """

    def __init__(
        self, emit: Callable[[Notification], None], *, quiet_seconds: float, most_calls: int
    ) -> None:
        self._emit = emit
        self._quiet_seconds = quiet_seconds
        self._most_calls = most_calls
        self._kept: dict[Key, Transaction] = {}
        self._first: Notification | None = None
        self._closing: asyncio.TimerHandle | None = None
        self.waiting = 0  # Updates in the window

    def add(self, update: Notification) -> list[Transaction]:
        """Take `update` in; what of it is kept for now."""
        self._first = self._first or update
        self.waiting += 1
        kept = [one for one in update.transactions if supersedes(one, self._kept.get(one.key))]
        self._kept.update((one.key, one) for one in kept)
        self._close_later()
        return kept

    def close(self) -> None:
        """Hand out what was collected; nothing, if nothing was."""
        self.cancel()
        first, kept, self._first, self._kept = self._first, self._kept, None, {}
        self.waiting = 0
        if first is not None:
            merged = sorted(kept.values(), key=_scattered)
            self._emit(Notification(merged, first.correlation_id, first.consumer))

    def cancel(self) -> None:
        """Do not close by itself any more."""
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
    """Whether `new` takes the place of what the window holds of the same key.

    A removal always does, and nothing takes the place of a removal: created, removed and created
    again within one window is a removal alone.
    """
    if kept is None or new.delete_flag:
        return True
    if kept.delete_flag:
        return False
    return (new.most_recent_content or "") > (kept.most_recent_content or "")


def _scattered(transaction: Transaction) -> bytes:
    """The index keeps them by a hash, so their order says nothing of when they came."""
    return sha256("\0".join(transaction.key).encode()).digest()
