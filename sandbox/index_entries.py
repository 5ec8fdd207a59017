"""The entries of the engagement index: what is kept, and which transactions change something."""

from collections.abc import Iterable

from sandbox.engagements import Key, Transaction


class IndexEntries:
    """Entries by their key. `owner` is the index's own HSA-id, part of every key."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._entries: dict[Key, Transaction] = {}

    def apply(self, transactions: Iterable[Transaction]) -> list[Transaction]:
        """Keep or remove, and answer those that changed something, as subscribers hear of them.

        An entry that is there already, the same, is silence; so is the removal of one that is not.
        """
        return [one for one in map(self._owned, transactions) if self._changes(one)]

    def _owned(self, transaction: Transaction) -> Transaction:
        changes: dict[str, str | None] = {"owner": self._owner}
        if transaction.delete_flag:  # docs/domain.md, "An engagement"
            changes["most_recent_content"] = None
        return transaction.model_copy(update=changes)

    def _changes(self, transaction: Transaction) -> bool:
        known = self._entries.get(transaction.key)
        if transaction.delete_flag:
            return self._entries.pop(transaction.key, None) is not None
        self._entries[transaction.key] = transaction
        return known is None or known.most_recent_content != transaction.most_recent_content

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
