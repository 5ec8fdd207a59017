"""Notices a broker node that keeps its connection and does nothing.

A frozen machine, or one on the wrong side of a partition, confirms no publish and closes nothing.
Heartbeats notice the first within 48 s (measured, with 20 s between them) and the second never.
Cut off from the leader of a quorum queue, RabbitMQ 3.10 answers that the queue is empty and nobody
reads it, which a consumer knows to be wrong. It answers so, too, for a minute after the node of the
leader froze, though the others have a new leader by then and all is well.

A channel that is refused (nacked) is of no more use on RabbitMQ 3.10, see
`Session.refused_seconds`; the next one is.
"""

import time
from collections.abc import Callable
from typing import Any

from shared.relay.rabbitmq.session import Session

#: How often to look, in seconds.
_TICK = 1.0
#: An idle node is asked this often whether a queue is there, in seconds.
_ASK_EVERY = 4.0
#: How long a node may leave that question unanswered, in seconds. With 6, asked every 2 s, clients
#: of a frozen node were at the next one before that had missed it (`net_ticktime` 10), found it
#: silent, too, and stood still for 22 s instead of 13 (measured on RabbitMQ 3.10).
_ANSWER_WITHIN = 8.0
#: How long a node may know nothing of our consumer, in seconds: longer than RabbitMQ takes to
#: notice that another node is frozen (`net_ticktime`, 60 s, and a quarter).
_KNOWN_WITHIN = 80.0
#: How long a node may confirm nothing of what it was sent, in seconds. When the node of a queue's
#: leader freezes, the next leader confirms after 8 s, later on a busy machine. Whoever left before
#: that one is elected would be refused.
CONFIRM_WITHIN = 14.0
#: A node that refuses is left after the first of these, in seconds: an election takes less than
#: half a second (measured on RabbitMQ 3.10, the leader killed). Each wait in a row is twice as long
#: as the one before, up to the last, since a queue that is full refuses at every node.
_REFUSED_WITHIN, _LONGEST_REFUSED = 0.8, 30.0
REFUSED = "refused"
#: Refusals so far apart are not in a row, in seconds.
_NOT_IN_A_ROW = 60.0


class Refusals:
    """How long, in seconds, the next node may refuse what it is sent. One for a connection."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.within = _REFUSED_WITHIN
        self._monotonic = monotonic
        self._left_at = -_NOT_IN_A_ROW

    def node_left(self) -> None:
        """One was left for its refusals."""
        now = self._monotonic()
        in_a_row = now - self._left_at < _NOT_IN_A_ROW
        self.within = min(2 * self.within, _LONGEST_REFUSED) if in_a_row else _REFUSED_WITHIN
        self._left_at = now


class Watchdog:
    """Asks and looks on the I/O thread for as long as `session` lives.

    `later(seconds, work)` has `work` called on that thread. `on_stalled(why)` is called once.
    `consuming()` says whether `queue` should have at least our own consumer now. The node may
    refuse what it is sent for `refused_within` seconds.
    """

    def __init__(
        self,
        session: Session,
        queue: str,
        *,
        later: Callable[[float, Callable[[], None]], None],
        on_stalled: Callable[[str], None],
        consuming: Callable[[], bool] = lambda: False,
        refused_within: float = _REFUSED_WITHIN,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._queue = queue
        self._later = later
        self._on_stalled = on_stalled
        self._consuming = consuming
        self._refused_within = refused_within
        self._monotonic = monotonic
        self._unknown_since: float | None = None
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
        if self._session.refused_seconds > self._refused_within:
            return REFUSED
        if self._session.unconfirmed_seconds > CONFIRM_WITHIN:
            return "unconfirmed"
        if self._asked_at is not None and self._for(self._asked_at) > _ANSWER_WITHIN:
            return "silent"
        if self._unknown_since is not None and self._for(self._unknown_since) > _KNOWN_WITHIN:
            return "not_consuming"
        return ""

    def _ask_if_due(self) -> None:
        now = self._monotonic()
        if self._asked_at is None and now - self._answered_at >= _ASK_EVERY:
            self._asked_at = now
            self._session.channel.queue_declare(self._queue, passive=True, callback=self._answered)

    def _answered(self, frame: Any) -> None:
        self._asked_at = None
        self._answered_at = self._monotonic()
        if frame.method.consumer_count or not self._consuming():
            self._unknown_since = None
        elif self._unknown_since is None:
            self._unknown_since = self._answered_at

    def _for(self, since: float) -> float:
        return self._monotonic() - since
