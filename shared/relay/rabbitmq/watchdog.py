"""Notices a broker node that keeps its connection and does nothing.

A frozen machine, or one on the wrong side of a partition, answers no publish and closes nothing.
Heartbeats notice the first within 48 s (measured, with 20 s between them) and the second never.
"""

import time
from collections.abc import Callable

from shared.relay.rabbitmq.session import Session

#: How often to look, in seconds.
_TICK = 1.0
#: An idle node is asked this often whether a queue is there, in seconds.
_ASK_EVERY = 4.0
#: How long a node may leave that question unanswered, in seconds.
_ANSWER_WITHIN = 8.0
#: How long a node may confirm nothing of what it was sent, in seconds.
CONFIRM_WITHIN = 10.0


class Watchdog:
    """Asks and looks on the I/O thread for as long as `session` lives.

    `later(seconds, work)` has `work` called on that thread. `on_stalled(why)` is called once.
    """

    def __init__(
        self,
        session: Session,
        queue: str,
        *,
        later: Callable[[float, Callable[[], None]], None],
        on_stalled: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._queue = queue
        self._later = later
        self._on_stalled = on_stalled
        self._monotonic = monotonic
        self._asked_at: float | None = None
        self._answered_at = monotonic()
        later(_TICK, self._tick)

    def _tick(self) -> None:
        if not self._session.channel.is_open:
            return
        why = self._why_stalled()
        if why:
            self._on_stalled(why)
            return
        if not self._session.blocked:
            self._ask_if_due()
        self._later(_TICK, self._tick)

    def _why_stalled(self) -> str:
        """Empty while all is well. A blocked broker says so itself, and is waited for."""
        if self._session.blocked:
            if self._asked_at is not None:
                self._asked_at = self._monotonic()  # the answer has its time from the unblocking on
            return ""
        if self._session.unconfirmed_seconds > CONFIRM_WITHIN:
            return "unconfirmed"
        if self._asked_at is not None and self._monotonic() - self._asked_at > _ANSWER_WITHIN:
            return "silent"
        return ""

    def _ask_if_due(self) -> None:
        now = self._monotonic()
        if self._asked_at is None and now - self._answered_at >= _ASK_EVERY:
            self._asked_at = now
            self._session.channel.queue_declare(self._queue, passive=True, callback=self._answered)

    def _answered(self, _frame: object) -> None:
        self._asked_at = None
        self._answered_at = self._monotonic()
