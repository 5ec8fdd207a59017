"""How often one user may do something costly, such as searching for a person."""

from collections import OrderedDict
from datetime import timedelta
from threading import Lock

from shared.base.clock import Clock, utcnow
from shared.base.gcra import Gcra

#: So many users are remembered; the one who did nothing for the longest time is forgotten.
_REMEMBERED = 10_000


class RateLimit:
    """Takes `burst` at once of each user, and then one in each `spacing`. Thread-safe."""

    def __init__(self, *, burst: int, spacing: timedelta, clock: Clock = utcnow) -> None:
        self._most_ahead = spacing * (burst - 1)
        self._spacing = spacing
        self._clock = clock
        self._lines: OrderedDict[str, Gcra] = OrderedDict()
        self._lock = Lock()

    def takes(self, user: str) -> bool:
        """Whether `user` may do it once more now; if so, it counts."""
        now = self._clock()
        with self._lock:
            line = self._lines.setdefault(user, Gcra())
            self._lines.move_to_end(user)
            if len(self._lines) > _REMEMBERED:
                self._lines.popitem(last=False)
            if line.ahead(now) > self._most_ahead:
                return False
            line.take(now, self._spacing)
            return True
