"""Publishes notifications, in parts where they are larger than a queue message may be."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from typing import Protocol

from shared.base.errors import Unavailable
from shared.base.ids import spell
from shared.booking.messages import Notification
from shared.relay.broker import (
    BeginsPublishing,
    BrokerError,
    BrokerUnavailable,
    Envelope,
    Outgoing,
    Publishing,
)

#: Bytes by which the id of a part may be longer than the id of the whole.
_LONGER_ID = 16


class Storage(Publishing, Protocol):
    """Where messages are safe: a broker, with or without a spool before it."""

    def ready(self) -> bool: ...


class QueuePublisher:
    """Publishes notifications to the filter's queue: each stored whole, or `Unavailable`.

    A notification that is larger than a queue message may be is published in several. Their ids
    follow from its own, so they are the same when it is published again.
    """

    def __init__(self, storage: Publishing, *, timeout: float, max_message_bytes: int) -> None:
        self._storage = storage
        self._timeout = timeout  # seconds
        self._max_message_bytes = max_message_bytes

    def __call__(self, notification: Notification) -> None:
        messages = list(messages_of(notification, self._max_message_bytes))
        try:
            self._storage.publish(messages, timeout=self._timeout)
        except BrokerError as error:
            raise Unavailable("queue_unavailable", type(error).__name__) from error


class PromptPublisher:
    """As `QueuePublisher`, from the event loop, which the confirm wakes.

    Where there is no connection yet, a thread waits for it (`in_thread`).
    """

    def __init__(
        self,
        broker: BeginsPublishing,
        in_thread: QueuePublisher,
        threads: Executor,
        *,
        timeout: float,
        max_message_bytes: int,
    ) -> None:
        self._broker = broker
        self._in_thread = in_thread
        self._threads = threads
        self._timeout = timeout  # seconds
        self._max_message_bytes = max_message_bytes

    async def __call__(self, notification: Notification) -> None:
        """Raises `Unavailable`."""
        loop = asyncio.get_running_loop()
        confirmed: asyncio.Future[None] = loop.create_future()
        messages = list(messages_of(notification, self._max_message_bytes))
        try:
            abandon = self._broker.begin_publish(messages, partial(_wake, loop, confirmed))
        except BrokerUnavailable:
            return await loop.run_in_executor(self._threads, self._in_thread, notification)
        late = loop.call_later(self._timeout, _end, confirmed, BrokerUnavailable("no confirm"))
        try:
            await confirmed
        except BrokerError as error:
            raise Unavailable("queue_unavailable", type(error).__name__) from error
        finally:
            late.cancel()
            abandon()


def _wake(
    loop: asyncio.AbstractEventLoop, confirmed: "asyncio.Future[None]", error: BrokerError | None
) -> None:
    """Called on the broker's thread. A loop that is closed has nobody left to be answered."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_end, confirmed, error)


def _end(confirmed: "asyncio.Future[None]", error: BrokerError | None) -> None:
    if confirmed.done():
        return
    if error is None:
        confirmed.set_result(None)
    else:
        confirmed.set_exception(error)


def messages_of(notification: Notification, max_bytes: int) -> Iterator[Outgoing]:
    """The notification as one message or, when that is larger than `max_bytes`, as several.

    The first has the notification's own id, the others `id.pb`, `id.pc`, …
    """
    body = notification.encode()
    if len(body) <= max_bytes:
        yield _outgoing(notification, body)
        return
    whole = notification.notification_id
    for number, part in enumerate(_parts(notification, max_bytes - _LONGER_ID)):
        name = f"{whole}.p{spell(number)}" if number else whole
        named = part.model_copy(update={"notification_id": name})
        yield _outgoing(named, named.encode())


def _parts(notification: Notification, max_bytes: int) -> Iterator[Notification]:
    """Split in halves until each part fits or holds one engagement."""
    size = len(notification.engagements) + len(notification.refused)
    if size == 1 or len(notification.encode()) <= max_bytes:
        yield notification
        return
    for half in _halves(notification, size // 2):
        yield from _parts(half, max_bytes)


def _halves(notification: Notification, first: int) -> Iterator[Notification]:
    """The first `first` engagements, and the rest."""
    engagements, refused = notification.engagements, notification.refused
    before = max(0, first - len(engagements))  # of the refused, which come last
    for taken, kept in (
        (engagements[:first], refused[:before]),
        (engagements[first:], refused[before:]),
    ):
        yield notification.model_copy(update={"engagements": taken, "refused": kept})


def _outgoing(notification: Notification, body: bytes) -> Outgoing:
    return Outgoing(notification.queue, Envelope(notification.identity, body))
