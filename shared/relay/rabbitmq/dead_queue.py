"""The dead letters of a stage on RabbitMQ, read by a consumer and put back at the end.

AMQP has no look that leaves a message where it is: what is read is out of the queue until it is put
back. So whoever reads holds the stage's lock, until everything is back.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.spec import Basic

from shared.relay.broker import BrokerUnavailable, Envelope, HeldLetter, Outgoing
from shared.relay.rabbitmq.operator_lock import RabbitMQOperatorLock
from shared.relay.rabbitmq.wire import dead_letter_of, envelope_of, translated
from shared.relay.topology import Place, place_queue, reports_queue

Publish = Callable[[Sequence[Outgoing]], None]

#: Letters handed out to one consumer. When all are held, the next consumer gets the next ones:
#: RabbitMQ bounds a prefetch by 65,535, and our memory would be bounded by nothing. For a consumer
#: of 1,000 or more RabbitMQ 3.10 works 8 s and more at the last letters of 100,000; for one of 100
#: the reading takes half as long again.
_WINDOW = 200
#: How long nothing must come, and nothing lie in the queue, for all to have been read (seconds).
_IDLE = 0.1
#: How long letters that lie in the queue may take to come (seconds).
_COME_WITHIN = 15.0
#: How long letters that were put back may take to lie in the queue again (seconds).
_BACK_WITHIN = 10.0


class _Handed(NamedTuple):
    tag: int
    consumer: str


class RabbitMQDeadQueue:
    """`publish` confirms what it is given before it returns."""

    def __init__(
        self,
        connection: BlockingConnection,
        lock: RabbitMQOperatorLock,
        stage: str,
        place: Place,
        publish: Publish,
    ) -> None:
        self._connection = connection
        self._lock = lock
        self._stage = stage
        self._queue = place_queue(stage, place)
        self._publish = publish
        self._channel = connection.channel()
        self._arrived: deque[HeldLetter] = deque()
        self._held = 0
        self._held_by_consumer = 0
        self._missing: int | None = None  # of those that lay in the queue when reading began
        self._consumer = ""
        self._follows = False
        self._reported: list[Envelope] = []

    def read(self, most: int) -> list[HeldLetter]:
        found: list[HeldLetter] = []
        with translated():
            while len(found) < most and (self._arrived or self._more_arrive()):
                found.append(self._arrived.popleft())
        return found

    def take(self, letters: Sequence[HeldLetter], publish: Sequence[Outgoing] = ()) -> None:
        self._publish(publish)
        with translated():
            for letter in letters:
                assert isinstance(letter.token, _Handed)  # noqa: S101 - it was read here
                self._channel.basic_ack(letter.token.tag)
                self._held -= 1
                self._held_by_consumer -= letter.token.consumer == self._consumer

    def reports(self) -> list[Envelope]:
        with translated():
            if not self._follows:
                self._channel.basic_consume(
                    reports_queue(self._stage), self._on_report, auto_ack=True
                )
                self._follows = True
            self._connection.process_data_events(0)
        found, self._reported = self._reported, []
        return found

    def doing(self, what: str) -> None:
        with translated():
            self._lock.note(what)

    def rest(self, seconds: float) -> None:
        with translated():
            self._connection.sleep(seconds)

    def put_back(self) -> None:
        """All that is held, and wait until it lies in the queue again: the next one counts it."""
        with translated():
            if self._consumer:
                self._cancel()
            if self._held:
                self._channel.basic_nack(0, multiple=True, requeue=True)
            deadline = time.monotonic() + _BACK_WITHIN
            while self._depth() < self._held and time.monotonic() < deadline:
                self._connection.sleep(0.02)

    def _more_arrive(self) -> bool:
        """Wait for letters; False when none is left.

        A queue that counts none may have handed out some that have not come yet, so those that lay
        in it at first are waited for. Of the discarded ones some may have expired meanwhile.
        """
        if self._missing is None:
            self._missing = self._depth()
        self._consume_on()
        deadline = time.monotonic() + _COME_WITHIN
        while not self._arrived:
            self._connection.process_data_events(_IDLE)
            late = time.monotonic() > deadline
            if not self._arrived and not self._depth() and (late or self._missing <= 0):
                self._connection.process_data_events(0)  # what came before that answer
                break
            if late:
                raise BrokerUnavailable(f"{self._queue} hands nothing out")
        return bool(self._arrived)

    def _consume_on(self) -> None:
        """A consumer that has handed out all it may is succeeded by another."""
        if self._consumer and self._held_by_consumer < _WINDOW:
            return
        if self._consumer:
            self._cancel()
        self._channel.basic_qos(prefetch_count=_WINDOW)
        self._consumer = self._channel.basic_consume(self._queue, self._on_letter)
        self._held_by_consumer = 0

    def _on_letter(
        self,
        _channel: BlockingChannel,
        method: Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        envelope = dead_letter_of(properties, body, self._stage)
        token = _Handed(method.delivery_tag, method.consumer_tag)
        self._arrived.append(HeldLetter(envelope, token))
        self._held += 1
        self._held_by_consumer += 1
        if self._missing is not None:
            self._missing -= 1

    def _cancel(self) -> None:
        """What it handed out stays handed out; pika gives back what has not come to us yet."""
        self._channel.basic_cancel(self._consumer)
        self._consumer = ""

    def _on_report(
        self,
        _channel: BlockingChannel,
        _method: Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        self._reported.append(envelope_of(properties, body))

    def _depth(self) -> int:
        return int(self._channel.queue_declare(self._queue, passive=True).method.message_count)
