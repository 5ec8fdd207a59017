"""Requests are held while the broker is away, and no longer."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from prometheus_client import REGISTRY

from ingest.broker_wait import BrokerWait
from ingest.handler import NOT_STORED, Answer, Taken, Unstored
from shared.base.errors import Unavailable
from shared.booking.messages import Notification, RefusedEngagement
from tests.polling import eventually

NOTIFICATION = Notification(
    notification_id="n",
    received_at=datetime(2026, 11, 25, tzinfo=UTC),
    refused=(RefusedEngagement(problem="odd"),),
)
ANSWER = Taken("n", 1, addressed=True)


class Broker:
    """Is away until told otherwise; refuses the first `refusals` publishes after that."""

    def __init__(self, refusals: int = 0) -> None:
        self.is_ready = False
        self.stored = 0
        self.asked = 0
        self._refusals = refusals

    def ready(self) -> bool:
        self.asked += 1
        return self.is_ready

    def publish(self, notification: Notification, /) -> None:
        assert notification == NOTIFICATION
        if not self.is_ready or self._refusals:
            self._refusals -= self.is_ready
            raise Unavailable("queue_unavailable")
        self.stored += 1


def run(
    broker: Broker,
    scene: Callable[[BrokerWait], Coroutine[Any, Any, list[Answer]]],
    *,
    seconds: float,
) -> tuple[list[Answer], float]:
    """The answers, and how long it took."""
    started = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
        wait = BrokerWait(
            broker.publish, broker.ready, seconds=seconds, draining_seconds=0.2, threads=threads
        )
        answers = asyncio.run(scene(wait))
    return answers, time.monotonic() - started


async def several(wait: BrokerWait, number: int = 50) -> list[Answer]:
    return await asyncio.gather(
        *(wait.store(Unstored(NOTIFICATION, ANSWER)) for _ in range(number))
    )


def held() -> float | None:
    return REGISTRY.get_sample_value("budkavle_ingest_held_requests")


def test_all_are_stored_as_soon_as_the_broker_is_back() -> None:
    broker = Broker(refusals=3)

    async def scene(wait: BrokerWait) -> list[Answer]:
        waiting = asyncio.create_task(several(wait))
        await asyncio.to_thread(eventually, lambda: broker.asked >= 3)
        assert (held(), broker.stored) == (50, 0)
        broker.is_ready = True
        return await waiting

    answers, taken = run(broker, scene, seconds=60)
    assert answers == [ANSWER] * 50
    assert (broker.stored, held()) == (50, 0)
    assert taken < 5
    assert broker.asked < 50  # on behalf of all, not by each


def test_after_the_time_that_is_set_it_is_a_fault() -> None:
    answers, taken = run(Broker(), lambda wait: several(wait, 3), seconds=0.3)
    assert answers == [NOT_STORED] * 3
    assert 0.3 <= taken < 5


def test_a_wait_of_zero_is_a_fault_at_once() -> None:
    broker = Broker()
    answers, _ = run(broker, lambda wait: several(wait, 1), seconds=0)
    assert answers == [NOT_STORED]


def test_when_the_process_stops_no_request_is_held_for_long() -> None:
    async def scene(wait: BrokerWait) -> list[Answer]:
        waiting = asyncio.create_task(several(wait, 3))
        await asyncio.sleep(0.05)
        wait.end_soon()
        return await waiting

    answers, taken = run(Broker(), scene, seconds=60)
    assert answers == [NOT_STORED] * 3
    assert taken < 5
