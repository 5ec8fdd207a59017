"""A consumer of one stage's queue, over a connection of its own."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import structlog
from pika.channel import Channel
from pika.spec import Basic, BasicProperties

from shared.relay.broker import BrokerError, Delivery, Outgoing, PublishRefused
from shared.relay.rabbitmq.link import Link
from shared.relay.rabbitmq.nodes import Nodes
from shared.relay.rabbitmq.session import Session
from shared.relay.rabbitmq.wire import envelope_of
from shared.relay.topology import Topology, work_queue

log = structlog.get_logger()

#: How long a message waits after its acknowledgement was refused, so that it does not spin
#: (seconds).
_REFUSED_REST = 1.0
_PAUSE_SECONDS = 5.0
#: The I/O loop looks for deliveries, confirms and what handlers have done no more often, in seconds
#: (`PacedLoop`).
_PACE = 0.015


class Handed(NamedTuple):
    """The session and tag under which a message was handed out."""

    session: Session
    tag: int


class RabbitMQConsumer:
    """Keeps consuming through lost connections until it is closed."""

    def __init__(
        self,
        nodes: Nodes,
        topology: Topology,
        stage: str,
        deliver: Callable[[Delivery], None],
        *,
        prefetch: int,
    ) -> None:
        self._stage = stage
        self._deliver = deliver
        self._prefetch = prefetch
        self._consuming: Session | None = None
        self._consumer_tag = ""
        self._paused = False
        self._acknowledging = 0
        # A lock of its own for each message: a condition, written in Python, costs three times as
        # much.
        self._guard = threading.RLock()
        self._acknowledged = threading.Condition(self._guard)
        self._link = Link(
            nodes,
            topology,
            self._on_open,
            watched_queue=work_queue(stage),
            consuming=lambda: self.connected and not self._paused,
            pace=_PACE,
        )

    @property
    def connected(self) -> bool:
        session = self._link.session
        return session is not None and session is self._consuming and not session.blocked

    def acknowledge(self, delivery: Delivery, publish: Sequence[Outgoing] = ()) -> None:
        self.acknowledge_all([(delivery, publish)])

    def acknowledge_all(self, several: Sequence[tuple[Delivery, Sequence[Outgoing]]]) -> None:
        with self._guard:
            self._acknowledging += len(several)
        if not self._link.call(partial(self._acknowledge_all, several)):
            self._acknowledged_some(len(several))

    def pause(self) -> None:
        """What still comes is put aside; `close` cancels the consumer."""
        self._paused = True
        crossed = threading.Event()
        if self._link.call(lambda _session: crossed.set()):
            crossed.wait(_PAUSE_SECONDS)

    def drained(self, timeout: float) -> bool:
        with self._acknowledged:
            return self._acknowledged.wait_for(lambda: self._acknowledging == 0, timeout)

    def close(self) -> None:
        self._paused = True
        self._link.close(self._cancel)

    def _on_open(self, session: Session) -> None:
        if self._paused:
            return
        session.channel.basic_qos(prefetch_count=self._prefetch)
        self._consumer_tag = session.channel.basic_consume(
            work_queue(self._stage),
            partial(self._on_message, session),
            callback=lambda _frame: self._on_consuming(session),
        )

    def _on_consuming(self, session: Session) -> None:
        self._consuming = session

    def _cancel(self, session: Session, then: Callable[[], None]) -> None:
        """Acknowledge all that is due, and call `then` when the queue has taken it up.

        RabbitMQ's channel keeps acknowledgements to itself while its queue has more than 32
        commands before it, and forgets them when it closes. The queue answers a cancel when it has
        done what came before.
        """
        session.acks.send()
        if self._consumer_tag in session.channel.consumer_tags:
            session.channel.basic_cancel(self._consumer_tag, lambda _frame: then())
        else:
            then()

    def _on_message(
        self,
        session: Session,
        _channel: Channel,
        method: Basic.Deliver,
        properties: BasicProperties,
        body: bytes,
    ) -> None:
        session.acks.handed_out(method.delivery_tag)
        self._link.message_came()
        delivery = Delivery(
            envelope_of(properties, body), Handed(session, method.delivery_tag), method.redelivered
        )
        if session.blocked:
            session.unless_blocked(partial(self._hand_out, delivery))
        elif not self._paused:
            self._deliver(delivery)

    def _hand_out(self, delivery: Delivery, session: Session | None) -> None:
        if session is not None and not self._paused:
            self._deliver(delivery)

    def _acknowledge_all(
        self, several: Sequence[tuple[Delivery, Sequence[Outgoing]]], session: Session | None
    ) -> None:
        for delivery, publish in several:
            assert isinstance(delivery.token, Handed)  # noqa: S101 - deliveries come from here
            self._acknowledge(delivery.token, publish, session)

    def _acknowledge(
        self, handed: Handed, publish: Sequence[Outgoing], session: Session | None
    ) -> None:
        if session is not handed.session or not session.channel.is_open:
            self._acknowledged_some()  # a dead connection's: the broker hands the message out again
        elif publish:
            session.publish(publish, partial(self._published, handed))
        else:
            session.acks.add(handed.tag)
            self._acknowledged_some()

    def _published(self, handed: Handed, error: BrokerError | None) -> None:
        if error is None:
            handed.session.acks.add(handed.tag)
        elif isinstance(error, PublishRefused):
            log.error("publish_refused", stage=self._stage, reason=str(error))
            self._link.call_later(_REFUSED_REST, partial(handed.session.requeue, handed.tag))
        self._acknowledged_some()

    def _acknowledged_some(self, count: int = 1) -> None:
        with self._guard:
            self._acknowledging -= count
            if not self._acknowledging:
                self._acknowledged.notify_all()
