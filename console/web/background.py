"""What takes longer than a page may: a thread makes it, and pages show what was made last."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock, Thread
from typing import Any

from shared.base.clock import utcnow

#: So long a page waits for it, before it says that it is being made (seconds).
_PATIENCE = 0.06
_KEPT = 20


@dataclass(slots=True)
class _Made:
    thread: Thread
    at: datetime | None = None
    value: Any = None
    error: Exception | None = None


class Background:
    """The latest few things, by their keys. Thread-safe; each is made by one thread at a time."""

    def __init__(self) -> None:
        self._made: OrderedDict[Hashable, _Made] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Any], fresh: timedelta) -> Any:
        """What `make` made not longer than `fresh` ago; None while it is being made.

        Raises what `make` raised.
        """
        with self._lock:
            found = self._made.get(key)
            if found is None or (found.at is not None and utcnow() - found.at > fresh):
                found = self._begin(key, make)
        found.thread.join(_PATIENCE)
        if found.error is not None:
            self.forget(key)
            raise found.error
        return found.value

    def forget(self, key: Hashable) -> None:
        """What was made is out of date; so is what is being made."""
        with self._lock:
            self._made.pop(key, None)

    def _begin(self, key: Hashable, make: Callable[[], Any]) -> _Made:
        def run() -> None:
            try:
                made.value = make()
            except Exception as error:  # noqa: BLE001 - raised to whoever looks
                made.error = error
            made.at = utcnow()

        made = _Made(Thread(target=run, name="background", daemon=True))
        self._made[key] = made
        while len(self._made) > _KEPT:
            self._made.popitem(last=False)
        made.thread.start()
        return made
