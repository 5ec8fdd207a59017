"""A consumer of the embedded broker: one thread that claims, renews, acknowledges."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from shared.base.ids import new_id
from shared.relay.broker import BrokerUnavailable, Delivery, Outgoing
from shared.relay.embedded.queue_file import QueueFile
from shared.relay.embedded.trouble import TroubleLog

log = structlog.get_logger()

#: How often an idle consumer looks for messages of other processes, in seconds.
_POLL = 0.03
#: How many messages are leased in one transaction: others wait for it.
_MOST_AT_ONCE = 100
#: How long a message rests whose acknowledgement was refused, so that it does not spin.
_REFUSED_REST = 1.0
#: How long a consumer waits when the queue file cannot be used, in seconds.
_TROUBLE_REST = 0.5
#: How often to look for times that were written by a clock that was ahead, in seconds.
_CHECK_TIMES_EVERY = 5.0


@dataclass(frozen=True, slots=True)
class Lease:
    """Which row is held, and under which name."""

    row: int
    holder: str


@dataclass(frozen=True, slots=True)
class _Acknowledgement:
    lease: Lease
    publish: tuple[Outgoing, ...]


class EmbeddedConsumer:
    """Holds leases instead of a connection: they run out when this process dies."""

    def __init__(
        self,
        open_store: Callable[[], QueueFile],
        stage: str,
        deliver: Callable[[Delivery], None],
        *,
        prefetch: int,
        lease_seconds: float,
        routable: Callable[[Outgoing], bool],
        woken: threading.Condition,
    ) -> None:
        self._open_store = open_store
        self._stage = stage
        self._deliver = deliver
        self._prefetch = prefetch
        self._lease_seconds = lease_seconds
        self._routable = routable
        self._woken = woken
        self._holder = new_id()
        self._store: QueueFile | None = None
        self._held: set[int] = set()
        self._acknowledgements: deque[_Acknowledgement] = deque()
        self._handing_out = threading.RLock()
        self._paused = False
        self._closing = False
        self._over = False
        self._connected = False
        self._renew_at = 0.0
        self._check_times_at = 0.0
        self._trouble = TroubleLog(stage)
        self._thread = threading.Thread(target=self._run, name=f"embedded-{stage}", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        return self._connected and self._thread.is_alive()

    def acknowledge(self, delivery: Delivery, publish: Sequence[Outgoing] = ()) -> None:
        self.acknowledge_all([(delivery, publish)])

    def acknowledge_all(self, several: Sequence[tuple[Delivery, Sequence[Outgoing]]]) -> None:
        with self._woken:
            if self._over:
                return  # the leases are given back: the messages come again
            for delivery, publish in several:
                assert isinstance(delivery.token, Lease)  # noqa: S101 - deliveries come from here
                self._acknowledgements.append(_Acknowledgement(delivery.token, tuple(publish)))
            self._woken.notify_all()

    def pause(self) -> None:
        with self._handing_out:
            self._paused = True

    def drained(self, timeout: float) -> bool:
        with self._woken:
            return self._woken.wait_for(lambda: not self._acknowledgements or self._over, timeout)

    def close(self) -> None:
        with self._woken:
            self._closing = True
            self._woken.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            try:
                with self._trouble.logged():
                    self._serve(self._opened())
                self._connected = True
            except BrokerUnavailable:
                self._connected = False
                self._rest_from_trouble()
        self._give_up()

    def _serve(self, store: QueueFile) -> None:
        """One pass. The messages of a deleted file are handed out while they can be had."""
        store.file.require_not_replaced()
        self._acknowledge_pending(store)
        self._renew(store)
        self._check_times(store)
        handed_out = self._hand_out(store)
        store.file.require()
        if not handed_out:
            self._rest(_POLL)

    def _opened(self) -> QueueFile:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _rest(self, seconds: float) -> None:
        with self._woken:
            if not (self._acknowledgements or self._closing):
                self._woken.wait(seconds)

    def _rest_from_trouble(self) -> None:
        """Whatever waits: it would only fail again."""
        with self._woken:
            self._woken.wait_for(lambda: self._closing, _TROUBLE_REST)

    def _acknowledge_pending(self, store: QueueFile) -> None:
        """All that waits, in one transaction: one write to the disk for many messages."""
        batch = list(self._acknowledgements)
        if not batch:
            return
        with store.transaction():
            for acknowledgement in batch:
                self._acknowledge_one(store, acknowledgement)
        with self._woken:
            for acknowledgement in batch:
                self._acknowledgements.popleft()
                self._held.discard(acknowledgement.lease.row)
            self._woken.notify_all()

    def _acknowledge_one(self, store: QueueFile, acknowledgement: _Acknowledgement) -> None:
        lease, now = acknowledgement.lease, time.time()
        if not all(map(self._routable, acknowledgement.publish)):
            log.error("publish_refused", stage=self._stage, reason="unroutable")
            store.release(lease.row, lease.holder, now + _REFUSED_REST)
        elif store.acknowledge(lease.row, lease.holder):
            store.insert(acknowledgement.publish, now)
        else:
            log.warning("late_acknowledgement_ignored", stage=self._stage)

    def _renew(self, store: QueueFile) -> None:
        """Well before the leases run out, and only while something is held."""
        if not self._held or time.monotonic() < self._renew_at:
            return
        with store.transaction():
            store.renew(self._holder, until=time.time() + self._lease_seconds)
        self._renew_at = time.monotonic() + self._lease_seconds / 3

    def _check_times(self, store: QueueFile) -> None:
        if time.monotonic() < self._check_times_at:
            return
        self._check_times_at = time.monotonic() + _CHECK_TIMES_EVERY
        now = time.time()
        if store.any_written_later(self._stage, now):
            with store.transaction():
                messages = store.begin_again(self._stage, now)
            log.warning("clock_was_ahead", stage=self._stage, messages=messages)

    def _hand_out(self, store: QueueFile) -> bool:
        with self._handing_out:
            free = min(self._prefetch - len(self._held), _MOST_AT_ONCE)
            if self._paused or free <= 0 or not store.any_ready(self._stage, time.time()):
                return False
            now = time.time()
            with store.transaction():
                claimed = store.claim(
                    self._stage, self._holder, free, now=now, lease=self._lease_seconds
                )
            self._held.update(message.row for message in claimed)
            for message in claimed:
                token = Lease(message.row, self._holder)
                self._deliver(Delivery(message.envelope, token, message.redelivered))
            return bool(claimed)

    def _give_up(self) -> None:
        """Acknowledge what can be acknowledged, and hand the rest back at once."""
        self._connected = False
        if self._store is not None:
            try:
                self._hand_back(self._store)
            except BrokerUnavailable as trouble:
                log.warning("leases_left_to_run_out", stage=self._stage, error=str(trouble))
            self._store.close()
        with self._woken:
            self._over = True
            self._woken.notify_all()

    def _hand_back(self, store: QueueFile) -> None:
        self._acknowledge_pending(store)
        with store.transaction():
            store.release_all(self._holder, time.time())
