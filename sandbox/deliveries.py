"""Sends notifications to the subscriber by the rules of the real index.

* It re-sends only after a refused connection, a time-out or a Fault. When the re-sends are used up
  the notification is in its dead-letter queue until people replay it.
* The content of an answer is ignored: ERROR is as final as OK. We count what is lost.
* It sends one notification at a time; the next waits until this one is accepted or dead.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from sandbox.engagements import Key, Transaction
from sandbox.http_client import NoAnswer

_log = structlog.get_logger()

_KEPT_ANSWERS = 10_000
#: Requests that the journal remembers.
_KEPT_REQUESTS = 100_000
_TAKEN = frozenset({"OK", "INFO"})


@dataclass(frozen=True, slots=True)
class OutgoingNotification:
    """A ProcessNotification request that is to be sent."""

    transactions: Sequence[Transaction]
    correlation_id: str
    consumer: str  # HSA-id of the booking system that made the (first) Update

    @property
    def keys(self) -> frozenset[Key]:
        return frozenset(one.key for one in self.transactions)


@dataclass(frozen=True, slots=True)
class SubscriberAnswer:
    """The answer of the subscriber."""

    result_code: str
    comment: str = ""


#: Sends once. Raises `NoAnswer` when the subscriber did not accept it.
Send = Callable[[OutgoingNotification], Awaitable[SubscriberAnswer]]


class Deliveries:
    """Sends notifications; call from within the loop."""

    def __init__(self, send: Send, *, resends: int, pause_seconds: float, parallel: int) -> None:
        self._send = send
        self._resends = resends
        self._pause_seconds = pause_seconds
        self._parallel = asyncio.Semaphore(parallel)
        self._last_of_key: dict[Key, asyncio.Task[None]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._failed: dict[int, int] = {}  # attempts, by id of the notification under way
        self._dead: list[tuple[OutgoingNotification, str]] = []
        self._answers: deque[dict[str, object]] = deque(maxlen=_KEPT_ANSWERS)
        self._journal: deque[tuple[float, float, OutgoingNotification]] = deque(
            maxlen=_KEPT_REQUESTS
        )
        self.counts: Counter[str] = Counter()
        self.gone = 0  # engagements that the subscriber did not accept by its answer

    @property
    def pending(self) -> int:
        return len(self._running)

    @property
    def failed_attempts(self) -> int:
        """Of the notification under way that has most of them."""
        return max(self._failed.values(), default=0)

    def deliver(self, notification: OutgoingNotification) -> None:
        """Send it after all earlier notifications that share a key with it."""
        keys = notification.keys
        earlier = {self._last_of_key[key] for key in keys if key in self._last_of_key}
        task = asyncio.get_running_loop().create_task(self._in_order(notification, earlier))
        self._running.add(task)
        self._last_of_key.update(dict.fromkeys(keys, task))
        task.add_done_callback(lambda done: self._forget(done, keys))

    def replay_dead(self) -> int:
        """Send the dead letters again; their number."""
        dead, self._dead = self._dead, []
        for notification, _ in dead:
            self.deliver(notification)
        return len(dead)

    def listed_answers(self) -> list[dict[str, object]]:
        return list(self._answers)

    def listed_journal(self) -> list[dict[str, object]]:
        """The requests that were answered: when each was sent for the first time, and when the
        answer was there (seconds since 1970). The subscriber took it in between."""
        return [
            {
                "sentAt": sent,
                "answeredAt": answered,
                "correlationId": notification.correlation_id,
                "engagements": [_journalled(one) for one in notification.transactions],
            }
            for sent, answered, notification in self._journal
        ]

    def listed_dead(self) -> list[dict[str, object]]:
        return [
            {
                "correlationId": notification.correlation_id,
                "engagements": len(notification.transactions),
                "error": error,
            }
            for notification, error in self._dead
        ]

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _forget(self, done: asyncio.Task[None], keys: frozenset[Key]) -> None:
        self._running.discard(done)
        for key in keys:
            if self._last_of_key.get(key) is done:
                del self._last_of_key[key]
        if not done.cancelled() and (error := done.exception()):
            _log.error("notification_failed", exc_info=error)

    async def _in_order(
        self, notification: OutgoingNotification, earlier: set[asyncio.Task[None]]
    ) -> None:
        if earlier:
            await asyncio.wait(earlier)
        async with self._parallel:
            await self._send_until_taken(notification)

    async def _send_until_taken(self, notification: OutgoingNotification) -> None:
        sent = time.time()
        try:
            error = await self._attempts(notification)
        finally:
            self._failed.pop(id(notification), None)
        if not error:
            self._journal.append((sent, time.time(), notification))
            return
        self._dead.append((notification, error))
        self.counts["dead"] += 1
        _log.warning("notification_dead", correlation_id=notification.correlation_id, error=error)

    async def _attempts(self, notification: OutgoingNotification) -> str:
        """As many as there may be; the last error, "" when it was accepted."""
        error = ""
        for attempt in range(1, self._resends + 2):
            error = await self._attempt(notification, attempt)
            if not error:
                break
            self._failed[id(notification)] = attempt
            if attempt <= self._resends:
                await asyncio.sleep(self._pause_seconds)
        return error

    async def _attempt(self, notification: OutgoingNotification, attempt: int) -> str:
        """Send once; why it was not accepted, "" when it was."""
        started = time.monotonic()
        self.counts["sent"] += 1
        try:
            answer = await self._send(notification)
        except NoAnswer as error:
            self.counts["unanswered"] += 1
            return str(error)
        self.counts[answer.result_code] += 1
        if answer.result_code not in _TAKEN:
            self.gone += len(notification.transactions)
        self._answers.append(
            {
                "correlationId": notification.correlation_id,
                "engagements": len(notification.transactions),
                "attempt": attempt,
                "resultCode": answer.result_code,
                "comment": answer.comment,
                "seconds": round(time.monotonic() - started, 4),
            }
        )
        return ""


def _journalled(transaction: Transaction) -> dict[str, object]:
    return {
        "deleted": transaction.delete_flag,
        "patient": transaction.registered_resident_identification,
        "sourceSystem": transaction.source_system,
        "logicalAddress": transaction.logical_address,
        "bookingId": transaction.business_object_instance_identifier,
    }
