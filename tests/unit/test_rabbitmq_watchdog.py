"""A node that keeps its connection and does nothing is noticed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from shared.relay.rabbitmq.watchdog import Refusals, Watchdog


@dataclass
class FakeChannel:
    is_open: bool = True
    answer: Callable[[object], None] | None = None

    def queue_declare(self, queue: str, *, passive: bool, callback: Callable[[object], None]):
        assert (queue, passive) == ("budkavle.filter", True)
        assert self.answer is None, "asked again before the answer"
        self.answer = callback


@dataclass
class World:
    """A session and a clock that the test sets."""

    now: float = 0.0
    blocked: bool = False
    unconfirmed_seconds: float = 0.0
    refused_seconds: float = 0.0
    answers: bool = True
    consuming: bool = False
    consumer_count: int = 0
    channel: FakeChannel = field(default_factory=FakeChannel)
    stalled: list[str] = field(default_factory=list)
    due: list[Callable[[], None]] = field(default_factory=list)
    asked: int = 0

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        assert seconds == 1
        self.due.append(work)

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            due, self.due = self.due, []
            for work in due:
                work()
            if self.answers and self.channel.answer:
                answer, self.channel.answer = self.channel.answer, None
                counted = SimpleNamespace(consumer_count=self.consumer_count)
                answer(SimpleNamespace(method=counted))
                self.asked += 1


@pytest.fixture
def world() -> World:
    world = World()
    Watchdog(
        world,
        "budkavle.filter",
        later=world.later,
        on_stalled=world.stalled.append,
        consuming=lambda: world.consuming,
        monotonic=lambda: world.now,
    )
    return world


def test_a_node_that_answers_is_asked_now_and_then_and_kept(world: World) -> None:
    world.pass_seconds(60)
    assert 12 <= world.asked <= 15
    assert not world.stalled


def test_an_idle_node_that_falls_silent_is_left_within_fifteen_seconds(world: World) -> None:
    world.pass_seconds(5)
    world.answers = False
    world.pass_seconds(15)
    assert world.stalled == ["silent"]
    assert not world.due, "it looks no more"


def test_a_node_that_confirms_nothing_is_left(world: World) -> None:
    world.unconfirmed_seconds = 14
    world.pass_seconds(1)
    assert not world.stalled
    world.unconfirmed_seconds = 15
    world.pass_seconds(1)
    assert world.stalled == ["unconfirmed"]


def test_a_node_that_refuses_is_left_when_an_election_would_be_over(world: World) -> None:
    world.refused_seconds = 0.8
    world.pass_seconds(1)
    assert not world.stalled
    world.refused_seconds = 1
    world.pass_seconds(1)
    assert world.stalled == ["refused"]


def test_whoever_is_refused_everywhere_changes_nodes_less_and_less() -> None:
    """As by a queue that is full."""
    now = 0.0
    refusals = Refusals(lambda: now)
    waits = []
    for _ in range(8):
        waits.append(refusals.within)
        now += refusals.within
        refusals.node_left()
    assert waits == pytest.approx([0.8, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30])
    now += 61
    refusals.node_left()
    assert refusals.within == 0.8


def test_a_blocked_broker_is_waited_for(world: World) -> None:
    world.answers, world.blocked, world.unconfirmed_seconds = False, True, 3600
    world.pass_seconds(60)
    assert not world.stalled
    assert world.channel.answer is None, "it is not asked"


def test_a_question_from_before_the_blocking_is_not_held_against_it(world: World) -> None:
    world.answers = False
    world.pass_seconds(6)
    world.blocked = True
    world.pass_seconds(30)
    world.blocked, world.answers = False, True
    world.pass_seconds(5)
    assert not world.stalled


def test_it_ends_with_its_channel(world: World) -> None:
    world.channel.is_open = False
    world.pass_seconds(1)
    assert not world.due


def test_a_node_that_knows_nothing_of_our_consumer_is_left_at_last(world: World) -> None:
    """Measured on RabbitMQ 3.10: what a node answers that is cut off from the queue's leader."""
    world.consuming, world.consumer_count = True, 1
    world.pass_seconds(200)
    assert not world.stalled
    world.consumer_count = 0
    world.pass_seconds(80)
    assert not world.stalled, "a minute after another node froze it says the same, and all is well"
    world.pass_seconds(10)
    assert world.stalled == ["not_consuming"]


def test_a_consumer_that_is_known_again_stays(world: World) -> None:
    world.consuming = True
    for _ in range(10):
        world.consumer_count = 0
        world.pass_seconds(60)
        world.consumer_count = 1
        world.pass_seconds(5)
    assert not world.stalled


def test_a_publisher_does_not_expect_a_consumer(world: World) -> None:
    world.pass_seconds(200)
    assert not world.stalled
