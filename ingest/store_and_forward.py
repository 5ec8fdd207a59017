"""Spools what the broker does not take, and publishes it when the broker is back.

Nothing overtakes what is spooled: while the spool holds anything, every new message goes behind it.
"""

from collections.abc import Sequence
from threading import Event, Thread

import structlog

from ingest.metrics import (
    SPOOL_BYTES,
    SPOOL_LIMIT,
    SPOOL_MESSAGES,
    SPOOL_OLDEST,
    SPOOLED,
)
from ingest.publisher import Storage
from ingest.spool import Spool
from shared.relay.broker import BrokerError, BrokerUnavailable, Outgoing
from shared.relay.embedded.trouble import TroubleLog

log = structlog.get_logger()

#: How often the broker is checked while something waits, and the metrics are set, in seconds.
_EVERY = 0.5
#: Published and removed at once; so many may be published twice after a crash.
_MOST_AT_ONCE = 100
_BYTES_AT_ONCE = 8 * 1024 * 1024
_STOP_SECONDS = 10.0


class StoreAndForward:
    """A `Storage`: the broker with `spool` before it. `start` begins to drain in a thread.

    A message whose confirm did not come is spooled and may be published twice: every stage knows it
    by its id. `largest` is the size of the largest message in bytes.
    """

    def __init__(
        self,
        broker: Storage,
        spool: Spool,
        *,
        timeout: float,
        largest: int,
        every: float = _EVERY,
    ) -> None:
        self._broker = broker
        self._spool = spool
        self._timeout = timeout  # of a publish from the spool, in seconds
        self._largest = largest
        self._every = every
        self._drained = 0  # messages, since the spool was last empty
        self._trouble = TroubleLog("spool")
        self._stopping = Event()
        self._thread = Thread(target=self._drain_until_stopped, name="spool", daemon=True)
        SPOOL_LIMIT.set(spool.max_bytes)

    def publish(self, messages: Sequence[Outgoing], *, timeout: float = 10) -> None:
        """Returns when the broker has confirmed all of `messages`, or all are on the disk.

        Raises `BrokerError` when neither can be had.
        """
        if not self._anything_waits():
            try:
                self._broker.publish(messages, timeout=timeout)
            except BrokerError as outage:
                log.warning("spooling", error=str(outage))
            else:
                return
        self._spool.append(messages)
        SPOOLED.inc(len(messages))

    def ready(self) -> bool:
        """Whether a request could be stored now, in the broker or on the disk."""
        return self._broker.ready() or self._spool.has_room(self._largest)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What is left in the spool is published after the next start."""
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)

    def _anything_waits(self) -> bool:
        """A spool that cannot be read does not stop what the broker takes."""
        try:
            return not self._spool.empty
        except BrokerUnavailable:
            return False

    def _drain_until_stopped(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._trouble.logged():
                    self._drain()
                    self._show()
            except BrokerError:
                log.debug("still_spooling")
            except Exception:
                log.exception("spool_failed")
            self._stopping.wait(self._every)

    def _drain(self) -> None:
        """Publish what is spooled, oldest first, until nothing is left or the broker fails."""
        while self._spool.may_drain() and not self._spool.empty and self._broker.ready():
            batch = self._spool.oldest(most=_MOST_AT_ONCE, max_bytes=_BYTES_AT_ONCE)
            if batch is None or self._stopping.is_set():
                return
            self._broker.publish(batch.messages, timeout=self._timeout)
            self._spool.remove(batch)
            self._drained += len(batch.messages)
        if self._drained and self._spool.empty:
            self._spool.tidy()
            log.info("spool_drained", messages=self._drained)
            self._drained = 0

    def _show(self) -> None:
        state = self._spool.state()
        SPOOL_MESSAGES.set(state.messages)
        SPOOL_BYTES.set(state.bytes)
        SPOOL_OLDEST.set(state.oldest_seconds)
