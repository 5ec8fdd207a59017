"""Deadlines by the monotonic clock."""

import time
from collections.abc import Callable


class Deadline:
    """A deadline `seconds` from now. Steps that share it are bounded together."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._at = monotonic() + seconds

    def left(self, at_most: float | None = None) -> float:
        """Seconds that remain, or `at_most` if that is less. Raises TimeoutError when none do."""
        left = self._at - self._monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left if at_most is None else min(left, at_most)
