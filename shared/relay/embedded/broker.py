"""The embedded broker: durable queues in one SQLite file, for several processes on one machine.

The same semantics as RabbitMQ, with leases in the place of connections. A message that is being
handled is leased to its consumer, which renews the lease however long the handler takes; when the
process dies the lease runs out and the message is handed out again.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

from shared.relay.broker import (
    BrokerUnavailable,
    DeadAction,
    Delivery,
    Envelope,
    Outgoing,
    PublishRefused,
    QueueState,
    UnknownBroker,
)
from shared.relay.dead_queue import BATCH, HOLD_WITHIN, take_each
from shared.relay.embedded.consumer import EmbeddedConsumer
from shared.relay.embedded.dead_queue import EmbeddedDeadQueue, EmbeddedOperatorLock
from shared.relay.embedded.queue_file import Counts, QueueFile
from shared.relay.embedded.trouble import TroubleLog
from shared.relay.topology import (
    DISCARDED_KEPT,
    READING_STAGES,
    REPORTS_KEPT,
    Place,
    Topology,
    place_key,
    reports_key,
    routing_keys,
)

_PREFIX = "sqlite:///"
_BUSY_SECONDS = 10.0
_READY_SECONDS = 1.0
#: How soon a message comes again after its consumer's process was killed.
LEASE = timedelta(seconds=15)


class EmbeddedBroker:
    """`sqlite:///relative/file` or `sqlite:////absolute/file`."""

    def __init__(self, url: str, topology: Topology, *, lease: timedelta = LEASE) -> None:
        path = url.removeprefix(_PREFIX)
        if not url.startswith(_PREFIX) or not path:
            raise UnknownBroker("BUDKAVLE_BROKER_URL: names no file; write sqlite:///path")
        self._path = Path(path)
        self._topology = topology
        self._lease = lease
        self._keys = routing_keys()
        self._guard = threading.Lock()
        self._shared_store: QueueFile | None = None
        self._trouble = TroubleLog("publisher")  # under `_guard`
        #: Wakes this process's consumers at once; those of other processes poll.
        self._woken = threading.Condition()
        self._consumers: list[EmbeddedConsumer] = []

    def declare(self) -> None:
        with self._guard:
            self._store()

    def missing(self) -> list[str]:
        """None: they are rows of one file, which is there or not."""
        return []

    def publish(self, messages: Sequence[Outgoing], *, timeout: float = 10) -> None:
        if not all(map(self._routable, messages)):
            raise PublishRefused("unroutable")
        with self._writing(timeout) as store:
            store.insert(messages, time.time())
        self._wake()

    def consume(
        self, stage: str, deliver: Callable[[Delivery], None], *, prefetch: int
    ) -> EmbeddedConsumer:
        consumer = EmbeddedConsumer(
            self._open,
            stage,
            deliver,
            prefetch=prefetch,
            lease_seconds=self._lease.total_seconds(),
            routable=self._routable,
            woken=self._woken,
        )
        self._consumers.append(consumer)
        return consumer

    def ready(self) -> bool:
        """Whether the file can be written to now."""
        try:
            with self._writing(_READY_SECONDS) as store:
                store.file.require_space()
                return True
        except BrokerUnavailable:
            return False

    def states(self) -> list[QueueState]:
        with self._guard:
            counts = self._store().counts(time.time())
        return [_state(stage, counts) for stage in READING_STAGES]

    def delays(self) -> dict[timedelta, int | None]:
        with self._guard:
            found = self._store().delayed(time.time())
        steps = sorted(self._topology.delay_steps)
        return {step: found.get(step.total_seconds(), 0) for step in steps}

    def dead_letters(
        self,
        stage: str,
        place: Place = Place.DEAD,
        *,
        by: str = "",  # noqa: ARG002 - nothing is held
        within: float | None = None,  # noqa: ARG002
    ) -> Generator[Envelope, None, None]:
        key, after = place_key(stage, place), 0
        with closing(self._open()) as store:
            upto = store.newest_row()
            while found := store.letters(key, stage, after=after, upto=upto, most=BATCH):
                after = found[-1][0]
                yield from (envelope for _, envelope in found)

    @contextmanager
    def hold_dead(
        self,
        stage: str,
        place: Place = Place.DEAD,
        *,
        by: str,
        doing: str,
        within: float | None = None,
    ) -> Iterator[EmbeddedDeadQueue]:
        with closing(self._open()) as store:
            lock = EmbeddedOperatorLock(
                store, stage, by=by, doing=doing, within=HOLD_WITHIN if within is None else within
            )
            try:
                _expire(store, stage)
                yield EmbeddedDeadQueue(
                    store, lock, stage, place, routable=self._routable, published=self._wake
                )
            finally:
                lock.release()

    def take_dead(
        self, stage: str, decide: Callable[[Envelope], DeadAction], *, limit: int | None = None
    ) -> int:
        with self.hold_dead(stage, by="", doing="replaying or discarding") as queue:
            return take_each(queue, stage, decide, limit)

    def close(self) -> None:
        for consumer in self._consumers:
            consumer.close()
        with self._guard:
            if self._shared_store is not None:
                self._shared_store.close()
                self._shared_store = None

    @contextmanager
    def _writing(self, busy_seconds: float = _BUSY_SECONDS) -> Iterator[QueueFile]:
        """A transaction in the file that the path names, before it and when it is stored."""
        with self._guard, self._trouble.logged():
            store = self._store()
            store.file.require()
            with store.transaction(busy_seconds=busy_seconds):
                yield store
            store.file.require()

    def _wake(self) -> None:
        with self._woken:
            self._woken.notify_all()

    def _open(self) -> QueueFile:
        return QueueFile(self._path, busy_seconds=_BUSY_SECONDS)

    def _store(self) -> QueueFile:
        """The connection all of this process's publishers share. Under `_guard`."""
        if self._shared_store is None:
            self._shared_store = self._open()
        return self._shared_store

    def _routable(self, message: Outgoing) -> bool:
        """As RabbitMQ would have it: there is such a queue, and such a delay."""
        return message.key in self._keys and (
            message.delay is None or message.delay in self._topology.delay_steps
        )


def _expire(store: QueueFile, stage: str) -> None:
    """What RabbitMQ does by the time limits of its queues."""
    now = time.time()
    discarded = place_key(stage, Place.DISCARDED)
    with store.transaction():
        store.expire(discarded, now - DISCARDED_KEPT.total_seconds())
        store.expire(reports_key(stage), now - REPORTS_KEPT.total_seconds())


def _state(stage: str, counts: dict[str, Counts]) -> QueueState:
    def lying(place: Place) -> int:
        return counts.get(place_key(stage, place), Counts()).all

    work = counts.get(stage, Counts())
    return QueueState(
        stage,
        ready=work.ready,
        unacknowledged=work.leased,
        delayed=work.delayed,
        dead=lying(Place.DEAD),
        consumers=None,
        parked=lying(Place.PARKED),
        discarded=lying(Place.DISCARDED),
        delayed_total=sum(count.delayed for count in counts.values()),
    )
