"""A followed replay of dead letters on both brokers: canary, pace, and an end by itself."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from console.dead_letters import Selection
from console.replay import Plan, Progress, Stopped
from console.replay import replay as replay_letters
from shared.relay.broker import Broker, Delivery, Outgoing
from shared.relay.disposition import StageDelivery
from shared.relay.outcomes import DeadLetter, Done, Outcome, RetryLater
from shared.relay.topology import READING_STAGES, seconds
from tests.brokers import FAST, Reader, dead, dead_count, opened, ready_count
from tests.polling import eventually

#: A stage that is to try again later does so when the test is over.
PATIENT = replace(FAST, retry_delays=seconds(1, 1, 1, 1))

Judge = Callable[[Delivery], Outcome]


@pytest.fixture
def broker(broker_url: str) -> Iterator[Broker]:
    with opened(broker_url) as broker:
        broker.declare()
        yield broker


def stage_that(broker: Broker, judge: Judge) -> Reader:
    """A stage that judges messages as `judge` does, and acknowledges as the worker does."""

    def answer(delivery: Delivery) -> list[Outgoing]:
        delivered = StageDelivery("filter", delivery.envelope, datetime.now(UTC), PATIENT)
        return list(delivered.disposition(judge(delivery)).publish)

    return Reader(broker, answer=answer, prefetch=50)


def died(broker: Broker, number: int) -> None:
    broker.publish([dead(f"l{each}") for each in range(number)])


def plan(**options: object) -> Plan:
    values = {"selection": Selection(READING_STAGES), "by": "anna", "run": "run1", "follow": 10}
    return Plan(**(values | options))  # type: ignore[arg-type]


def works(_delivery: Delivery) -> Outcome:
    return Done("delivered")


def fails(_delivery: Delivery) -> Outcome:
    return DeadLetter("still_broken")


def test_every_letter_is_replayed_once_and_its_outcome_known(broker: Broker) -> None:
    died(broker, 120)
    reader = stage_that(broker, works)
    progress = replay_letters(broker, plan())
    assert (progress.replayed, progress.passed, progress.came_back) == (120, 120, 0)
    assert (progress.unknown, progress.stopped) == (0, Stopped.NO)
    assert sorted(reader.names) == sorted(f"l{each}" for each in range(120))
    assert dead_count(broker) == 0


def test_it_stops_by_itself_when_too_many_come_back(broker: Broker) -> None:
    died(broker, 400)
    stage_that(broker, fails)
    progress = replay_letters(broker, plan(rate=100))
    assert progress.stopped is Stopped.SHARE
    assert progress.came_back == progress.replayed < 100
    assert progress.back_reasons == {"still_broken": progress.came_back}
    eventually(lambda: dead_count(broker) == 400)


def test_a_letter_that_comes_back_is_not_replayed_again(broker: Broker) -> None:
    died(broker, 60)
    reader = stage_that(broker, fails)
    progress = replay_letters(broker, plan(most_back=1, rate=300))
    assert (progress.replayed, progress.came_back, progress.stopped) == (60, 60, Stopped.NO)
    assert len(reader.names) == 60
    eventually(lambda: dead_count(broker) == 60)


def test_a_canary_that_comes_back_ends_it(broker: Broker) -> None:
    died(broker, 30)
    stage_that(broker, fails)
    progress = replay_letters(broker, plan(canary=3))
    assert (progress.replayed, progress.came_back) == (3, 3)
    assert progress.stopped is Stopped.CANARY


def test_a_canary_that_passes_lets_the_others_follow(broker: Broker) -> None:
    died(broker, 30)
    stage_that(broker, works)
    progress = replay_letters(broker, plan(canary=3))
    assert (progress.replayed, progress.passed, progress.stopped) == (30, 30, Stopped.NO)


def test_a_canary_of_which_nothing_is_heard_ends_it(broker: Broker) -> None:
    """The stage does not run, or its letters wait to be tried again."""
    died(broker, 5)
    progress = replay_letters(broker, plan(canary=2, canary_wait=0.3))
    assert (progress.replayed, progress.stopped) == (2, Stopped.CANARY_UNKNOWN)
    assert ready_count(broker) == 2


def test_letters_that_their_stage_tries_again_are_shown_apart(broker: Broker) -> None:
    died(broker, 2)
    stage_that(
        broker,
        lambda delivery: (
            RetryLater("source_down") if delivery.envelope.message_id == "l0" else Done("sent")
        ),
    )
    progress = replay_letters(broker, plan(follow=0.7))
    assert (progress.passed, progress.waiting) == (1, 1)


def test_the_pace_is_kept(broker: Broker) -> None:
    died(broker, 10)
    started = time.monotonic()
    replay_letters(broker, plan(rate=20, follow=0))
    assert 0.4 < time.monotonic() - started < 5


def test_it_can_be_broken_off_and_goes_on_later(broker: Broker) -> None:
    died(broker, 100)
    reader = stage_that(broker, works)
    stopping = threading.Event()

    def stop_after_some(progress: Progress) -> None:
        if progress.replayed >= 20:
            stopping.set()

    first = replay_letters(broker, plan(rate=200), on_progress=stop_after_some, stopping=stopping)
    assert first.stopped is Stopped.INTERRUPTED
    assert 20 <= first.replayed < 100
    second = replay_letters(broker, plan(run="run2"))
    assert first.replayed + second.replayed == 100
    eventually(lambda: len(reader.names) == 100)
    assert len(set(reader.names)) == 100


def test_a_replay_takes_only_what_is_meant(broker: Broker) -> None:
    broker.publish([dead("a", reason="x"), dead("b", reason="y")])
    progress = replay_letters(broker, plan(selection=Selection(("filter",), reason="y"), follow=0))
    assert progress.replayed == 1
    assert [one.message_id for one in broker.dead_letters("filter")] == ["a"]
