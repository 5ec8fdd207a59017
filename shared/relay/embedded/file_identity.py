"""Whether the file that is open is still the one that its path names.

SQLite goes on writing to a file that was deleted or renamed. What is accepted then goes with the
last process that has it open.
"""

import shutil
from pathlib import Path

from shared.relay.broker import BrokerUnavailable

_LEAST_FREE_BYTES = 1 << 20


class FileIdentity:
    """Device and inode of the file at `path`, as they were when it was opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = self._at_path()

    @property
    def gone(self) -> bool:
        return self._at_path() is None

    @property
    def replaced(self) -> bool:
        return self._at_path() not in (None, self._opened)

    def require(self) -> None:
        """Raises `BrokerUnavailable` unless the path names the file that is open."""
        self.require_not_replaced()
        if self.gone:
            raise BrokerUnavailable("queue file: deleted while in use; restart every stage")

    def require_not_replaced(self) -> None:
        """Raises `BrokerUnavailable` when there is another file at the path.

        Two files would share the one that coordinates their readers, and destroy each other.
        """
        if self.replaced:
            raise BrokerUnavailable("queue file: replaced while in use; restart every stage")

    def require_space(self) -> None:
        """Raises `BrokerUnavailable` when the disk is as good as full."""
        if shutil.disk_usage(self._path).free < _LEAST_FREE_BYTES:
            raise BrokerUnavailable("queue file: database or disk is full")

    def _at_path(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
