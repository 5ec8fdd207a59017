"""What was drawn for one reader is there for all: parts of pages by what they were drawn from."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

_KEPT = 8


class Drawings:
    """The latest few. Thread-safe; one is drawn at a time."""

    def __init__(self) -> None:
        self._drawn: OrderedDict[Hashable, str] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, draw: Callable[[], str]) -> str:
        with self._lock:
            if key not in self._drawn:
                self._drawn[key] = draw()
                while len(self._drawn) > _KEPT:
                    self._drawn.popitem(last=False)
            return self._drawn[key]
