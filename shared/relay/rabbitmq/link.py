"""A connection that is kept up: one thread owns it, everything else crosses over to that thread.

Handlers may take a minute: they run elsewhere, so the heartbeats go on. Work from other threads is
collected and crosses in batches, since waking the I/O thread is what a crossing costs.
"""

import gc
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from pika import SelectConnection
from pika.channel import Channel
from pika.exceptions import ChannelClosedByClient, ConnectionWrongStateError

from shared.relay.rabbitmq.io_loop import GatheringServices, PacedLoop
from shared.relay.rabbitmq.nodes import Nodes
from shared.relay.rabbitmq.session import Session
from shared.relay.rabbitmq.topology import declare_on, look_for
from shared.relay.rabbitmq.watchdog import REFUSED, Refusals, Watchdog
from shared.relay.rabbitmq.wire import reason_of
from shared.relay.topology import READING_STAGES, Topology, work_queue

log = structlog.get_logger()

#: Called on the I/O thread, with the session or, when there is none any more, with None.
Work = Callable[[Session | None], None]

#: Called on the I/O thread, with the session and what is to be called when it may be closed.
Farewell = Callable[[Session, Callable[[], None]], None]

#: After a node that fell silent, how long the next one is not called ready, in seconds: one on the
#: wrong side of a partition opens connections, too, and confirms nothing.
_SUSPECT_SECONDS = 3.0
_FIRST_WAIT = 0.2
_LONGEST_WAIT = 5.0
_CLOSE_SECONDS = 5.0
#: From the attempt to the open channel, with the queues declared (seconds). A node that cannot
#: reach the others of its cluster shakes hands and then declares nothing.
_OPEN_SECONDS = 20.0
#: Unroutable messages have the topology declared again, but not more often than this (seconds).
_REDECLARE_EVERY = 2.0


class Link:
    """Connects, declares the topology, opens a channel; and all again whenever it is lost.

    Each attempt goes to the next of `nodes`. `on_open` gets each new session on the I/O thread.
    Waits between rounds of attempts grow from a fifth of a second to `longest_wait`, with jitter,
    so that a fleet does not come back in one instant. A node that stalls is left (`Watchdog`, which
    asks about `watched_queue`, in which our consumer should be known while `consuming()`).
    """

    def __init__(
        self,
        nodes: Nodes,
        topology: Topology,
        on_open: Callable[[Session], None] = lambda _session: None,
        *,
        watched_queue: str = work_queue(READING_STAGES[0]),
        consuming: Callable[[], bool] = lambda: False,
        longest_wait: float = _LONGEST_WAIT,
        pace: float = 0,
    ) -> None:
        self._nodes = nodes
        self._log = log.bind(connection=nodes.connection)
        self._topology = topology
        self._on_open = on_open
        self._watchdog = partial(
            Watchdog,
            queue=watched_queue,
            later=self.call_later,
            on_stalled=self._on_stalled,
            consuming=consuming,
        )
        self._refusals = Refusals()
        self._longest_wait = longest_wait
        self._pace = pace
        self._guard = threading.RLock()  # a condition is slower, and each crossing takes it
        self._changed = threading.Condition(self._guard)
        self._pending: deque[Work] = deque()
        self._crossing = False
        self._loop: PacedLoop | None = None
        self._connection: SelectConnection | None = None
        self._session: Session | None = None
        self._tried = self._node_left = False
        self._failures = 0
        self._suspect_until = 0.0
        self._declared_at = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=nodes.connection, daemon=True)
        self._thread.start()

    @property
    def session(self) -> Session | None:
        """To be asked whether it is there; to be used through `call`."""
        return self._session

    @property
    def stalled(self) -> bool:
        """Whether a node was left, and the next one has not been up for some seconds."""
        return time.monotonic() < self._suspect_until

    def wait_first_try(self, timeout: float) -> bool:
        """Whether the link is up, after its first attempt has ended in the one or the other."""
        if self._session is not None:
            return True
        with self._changed:
            self._changed.wait_for(lambda: self._tried, timeout)
            return self._session is not None

    def call(self, work: Work) -> bool:
        """Have `work` called once on the I/O thread; False, and no call, when there is no link."""
        with self._guard:
            if self._loop is None:
                return False
            self._pending.append(work)
            if not self._crossing:
                self._crossing = True
                self._loop.add_callback_threadsafe(self._cross)
            return True

    def call_later(self, seconds: float, work: Callable[[], None]) -> None:
        """On the I/O thread only; forgotten when the connection goes first."""
        if self._loop is not None:
            self._loop.call_later(seconds, work)

    def _soon(self, work: Callable[[], None]) -> None:
        if self._loop is not None:
            self._loop.at_end_of_pass(work)

    def message_came(self) -> None:
        """On the I/O thread only: with many of them the loop does not rest."""
        if self._loop is not None:
            self._loop.message_came()

    def reset(self) -> None:
        """On the I/O thread only: close the connection; a new one is made if the link lives."""
        if self._session is not None:
            self._session.acks.send()
        if self._connection is not None:
            try:
                self._connection.close()
            except ConnectionWrongStateError:
                return  # it is closing already

    def close(self, farewell: Farewell = lambda _session, then: then()) -> None:
        """Close in order, but wait for an unwilling broker no longer than some seconds."""
        self._closing.set()
        self.call(partial(self._say, farewell))
        if threading.current_thread() is self._thread:
            return
        self._thread.join(_CLOSE_SECONDS)
        with self._changed:
            if self._loop is not None:
                self._loop.add_callback_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_SECONDS)

    def _say(self, farewell: Farewell, session: Session | None) -> None:
        if session is None or not session.channel.is_open:
            self.reset()
        else:
            farewell(session, self.reset)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._live_once()
            except Exception:
                log.exception("connection_failed", connection=self._nodes.connection)
            finally:
                self._lose()
            if self._nodes.round_over:
                self._closing.wait(self._next_wait())

    def _next_wait(self) -> float:
        longest = min(self._longest_wait, _FIRST_WAIT * 2 ** min(self._failures, 10))
        self._failures += 1
        return random.uniform(longest / 2, longest)  # noqa: S311 - jitter, not a secret

    def _live_once(self) -> None:
        """One connection, from the attempt to its end."""
        loop = PacedLoop(self._pace)
        node = self._nodes.next()
        self._node_left = False
        self._log = self._log.bind(node=f"{node.host}:{node.port}")
        try:
            connection = SelectConnection(
                node,
                on_open_callback=self._on_connected,
                on_open_error_callback=self._on_ended,
                on_close_callback=self._on_ended,
                custom_ioloop=GatheringServices(loop),
            )
            loop.call_later(_OPEN_SECONDS, self._leave_unless_open)
            connection.add_on_connection_blocked_callback(self._on_blocked)
            connection.add_on_connection_unblocked_callback(self._on_unblocked)
            with self._changed:
                self._loop, self._connection = loop, connection
            if self._closing.is_set():
                return
            loop.start()
        finally:
            with self._changed:
                self._loop = self._connection = None
                self._crossing = False
            loop.close()
            if self._node_left:
                gc.collect()  # pika drops a socket without a farewell only when nobody refers to it

    def _lose(self) -> None:
        """Notify all who wait for this connection; nobody waits for the next."""
        with self._changed:
            session, self._session = self._session, None
            self._tried = True
            pending, self._pending = self._pending, deque()
            self._changed.notify_all()
        for work in pending:
            work(None)
        if session is not None:
            session.lose()

    def _cross(self) -> None:
        self._crossing = False  # before the work: what comes from now on crosses anew
        while self._pending:
            self._pending.popleft()(self._session)

    def _on_connected(self, connection: SelectConnection) -> None:
        """Declare the topology if any of it is missing, and open the channel."""

        def on_found(missing: Exception | None) -> None:
            if missing is None:
                self._open_channel(connection)
            else:
                self._log.info("topology_incomplete", missing=str(missing))
                self._declare(connection, then=self._open_channel)

        self._on_channel_of_its_own(connection, look_for, on_found)

    def _declare(self, connection: Any, then: Callable[[Any], None]) -> None:
        self._declared_at = time.monotonic()

        def on_declared(refused: Exception | None) -> None:
            if refused is not None:
                self._log.warning("declare_refused", error=str(refused))
            then(connection)

        self._on_channel_of_its_own(connection, declare_on, on_declared)

    def _on_channel_of_its_own(
        self,
        connection: Any,
        work: Callable[[Channel, Topology], None],
        then: Callable[[Exception | None], None],
    ) -> None:
        """Do `work`, to which the broker may object by closing the channel; then call `then`."""

        def on_open(channel: Channel) -> None:
            work(channel, self._topology)
            channel.basic_qos(prefetch_count=1, callback=lambda _frame: channel.close())

        def on_close(_channel: Channel, reason: Exception) -> None:
            if connection.is_open:
                then(None if isinstance(reason, ChannelClosedByClient) else reason)

        connection.channel(on_open_callback=on_open).add_on_close_callback(on_close)

    def _open_channel(self, connection: SelectConnection) -> None:
        connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_cancel_callback(self._on_cancelled)
        session = Session(channel, on_unroutable=self._on_unroutable, soon=self._soon)
        self._on_open(session)
        self._watchdog(session, refused_within=self._refusals.within)
        with self._changed:
            self._session = session
            self._tried = True
            self._failures = 0
            self._suspect_until = min(self._suspect_until, time.monotonic() + _SUSPECT_SECONDS)
            self._changed.notify_all()
        self._log.info("connected")

    def _on_unroutable(self, exchange: str, key: str) -> None:
        """Somebody took a queue away: put it back, so that the next attempt gets through."""
        if time.monotonic() - self._declared_at > _REDECLARE_EVERY and self._connection:
            self._log.warning("queue_missing", exchange=exchange, key=key)
            self._declare(self._connection, then=lambda _connection: None)

    def _leave_unless_open(self) -> None:
        if self._session is None:
            self._on_stalled("not_open")

    def _on_stalled(self, why: str) -> None:
        """Leave the node. Its part of a farewell would not come, so none is begun."""
        self._log.warning("node_stalled", why=why)
        self._node_left = True
        if why == REFUSED:
            self._refusals.node_left()
        else:
            self._suspect_until = math.inf
        self._failures = 0
        if self._loop is not None:
            self._loop.stop()

    def _on_cancelled(self, _frame: object) -> None:
        self._log.warning("consumer_cancelled")
        self.reset()

    def _on_channel_closed(self, _channel: Channel, reason: Exception) -> None:
        if not isinstance(reason, ChannelClosedByClient):
            self._log.warning("channel_closed", error=str(reason))
            self.reset()

    def _on_ended(self, _connection: object, reason: BaseException) -> None:
        if not self._closing.is_set():
            self._log.warning("disconnected", error=type(reason).__name__, reason=reason_of(reason))
        if self._loop is not None:
            self._loop.stop()

    def _on_blocked(self, _connection: object, _frame: object) -> None:
        self._log.warning("connection_blocked")
        if self._session is not None:
            self._session.blocked = True

    def _on_unblocked(self, _connection: object, _frame: object) -> None:
        self._log.info("connection_unblocked")
        if self._session is not None:
            self._session.unblock()
