"""One operator at a time for the dead letters of a stage, held by the broker itself.

The lock is an exclusive queue: it goes with the connection, however that ends. Nobody but its owner
can look at it, so who holds it is told by a note in a queue beside it. That is declared when it is
needed, and forgotten by the broker when nobody has used it for a day.
"""

import time
from datetime import datetime

from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import ChannelClosedByBroker
from pydantic import ValidationError

from shared.base.clock import utcnow
from shared.relay.broker import DeadQueueBusy, Holder
from shared.relay.topology import EXCHANGE

_LOCKED = 405  # AMQP 0-9-1: RESOURCE_LOCKED
_ASK_EVERY = 0.2
_NOTE_KEPT = 86_400_000  # milliseconds
_NOTE: dict[str, int] = {"x-max-length": 1, "x-expires": _NOTE_KEPT}


def lock_name(stage: str) -> str:
    return f"{EXCHANGE}.{stage}.operator"


def note_name(stage: str) -> str:
    return f"{EXCHANGE}.{stage}.operator-note"


class RabbitMQOperatorLock:
    """Taken by its construction, and held for as long as `connection` lives.

    Raises `DeadQueueBusy` when another has it for more than `within` seconds.
    """

    def __init__(
        self, connection: BlockingConnection, stage: str, *, by: str, doing: str, within: float
    ) -> None:
        self._connection = connection
        self._stage = stage
        self._by = by or "somebody"
        self._acquire(time.monotonic() + within)
        self._since: datetime = utcnow()
        self._notes = connection.channel()
        self._notes.queue_declare(note_name(stage), durable=True, arguments=_NOTE)
        self.note(doing)

    def note(self, doing: str) -> None:
        """What others are told."""
        holder = Holder(by=self._by, doing=doing, since=self._since)
        self._notes.basic_publish("", note_name(self._stage), holder.model_dump_json().encode())

    def _acquire(self, deadline: float) -> None:
        while not self._tried():
            if time.monotonic() > deadline:
                raise DeadQueueBusy(self._stage, self._holder())
            self._connection.sleep(_ASK_EVERY)

    def _tried(self) -> bool:
        channel = self._connection.channel()
        try:
            channel.queue_declare(lock_name(self._stage), exclusive=True)
        except ChannelClosedByBroker as error:
            if error.reply_code != _LOCKED:
                raise
            return False
        return True

    def _holder(self) -> Holder | None:
        channel = self._connection.channel()
        try:
            method, _, body = channel.basic_get(note_name(self._stage))
        except ChannelClosedByBroker:
            return None  # it was not written yet
        if method is None or body is None:
            return None
        _put_back(channel, method.delivery_tag)
        try:
            return Holder.model_validate_json(body)
        except ValidationError:
            return None


def _put_back(channel: BlockingChannel, tag: int) -> None:
    channel.basic_nack(tag, requeue=True)
