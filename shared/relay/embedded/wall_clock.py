"""Notices that the machine's clock was put back."""

import time
from collections.abc import Callable

from shared.relay.embedded.queue_file import CLOCK_SLACK_SECONDS


class WallClock:
    """Compares the machine's clock with one that does not jump."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset: float | None = None

    def was_put_back(self) -> bool:
        """Since this was asked last. True at first: it is not known what the clock did before."""
        offset = self._wall() - self._monotonic()
        former, self._offset = self._offset, offset
        return former is None or offset < former - CLOCK_SLACK_SECONDS
