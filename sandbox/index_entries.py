"""The entries of the engagement index, and which transactions change them."""

from collections.abc import Callable, Iterable
from datetime import datetime

from sandbox.engagements import Key, Transaction
from shared.base.clock import utcnow
from shared.booking.times import wall_text


class IndexEntries:
    """Entries by their key. `owner` is the index's own HSA-id, part of every key."""

    def __init__(self, owner: str, clock: Callable[[], datetime] = utcnow) -> None:
        self._owner = owner
        self._clock = clock
        self._entries: dict[Key, Transaction] = {}

    def owned(self, transaction: Transaction) -> Transaction:
        """The transaction with the index as its owner."""
        return transaction.model_copy(update={"owner": self._owner})

    def apply(self, transactions: Iterable[Transaction]) -> list[Transaction]:
        """Store or remove entries; the transactions that subscribers get.

        An entry that exists with the same `mostRecentContent` is not passed on. A removal always
        is, even of an entry that does not exist.
        """
        dated = [self._dated(self.owned(one)) for one in transactions]
        changed = [one for one in dated if self.changes(one)]
        for one in dated:
            self._keep(one)
        return changed

    def changes(self, transaction: Transaction) -> bool:
        """Whether subscribers would get `transaction`, whose owner is set."""
        known = self._entries.get(transaction.key)
        return (
            transaction.delete_flag
            or known is None
            or known.most_recent_content != transaction.most_recent_content
        )

    def _dated(self, transaction: Transaction) -> Transaction:
        """With the times that the index sets, which replace those of the sender."""
        now = wall_text(self._clock())
        known = self._entries.get(transaction.key)
        created = known.creation_time if known else None
        times = {"creation_time": created or now, "update_time": now if created else None}
        return transaction.model_copy(update=times)

    def _keep(self, transaction: Transaction) -> None:
        if transaction.delete_flag:
            self._entries.pop(transaction.key, None)
        else:
            self._entries[transaction.key] = transaction

    def clear(self) -> int:
        count = len(self._entries)
        self._entries.clear()
        return count

    def __len__(self) -> int:
        return len(self._entries)

    def listing(self) -> list[dict[str, object]]:
        hidden = {"delete_flag"}
        return [
            one.model_dump(by_alias=True, exclude_none=True, exclude=hidden)
            for one in self._entries.values()
        ]
