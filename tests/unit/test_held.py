"""Deliveries that wait in the worker's hands: how long, how many, and what the end leaves."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from shared.relay.broker import Delivery, Envelope
from shared.relay.held import HeldDeliveries
from tests.polling import eventually

SECOND = timedelta(seconds=1)


def delivery(name: str) -> Delivery:
    return Delivery(Envelope(name, b""), token=name)


class World:
    def __init__(self, most: int) -> None:
        self.now = 0.0
        self.back: list[str] = []
        self.held = HeldDeliveries(
            lambda delivery: self.back.append(delivery.envelope.message_id),
            most,
            monotonic=lambda: self.now,
        )


@pytest.fixture
def world_of() -> Iterator[Callable[[int], World]]:
    made: list[World] = []

    def make(most: int) -> World:
        made.append(World(most))
        return made[-1]

    yield make
    for world in made:
        world.held.stop()


def test_each_comes_back_when_its_own_wait_is_over(world_of) -> None:
    world = world_of(10)
    assert world.held.hold(delivery("late"), 3 * SECOND)
    assert world.held.hold(delivery("soon"), SECOND)
    world.now = 2.0
    world.held.hold(delivery("wakes"), timedelta(0))  # the clock is not the thread's own
    eventually(lambda: world.back == ["soon", "wakes"])
    world.now = 4.0
    world.held.hold(delivery("wakes again"), timedelta(0))
    eventually(lambda: world.back[2:] == ["late", "wakes again"])


def test_no_more_are_held_than_there_is_room_for(world_of) -> None:
    world = world_of(2)
    kept = [world.held.hold(delivery(name), SECOND) for name in "abc"]
    assert kept == [True, True, False]
    assert len(world.held) == 2


def test_a_long_wait_is_not_held(world_of) -> None:
    assert not world_of(2).held.hold(delivery("a"), timedelta(seconds=31))


def test_after_the_end_nothing_is_held_or_put_back(world_of) -> None:
    world = world_of(2)
    world.held.hold(delivery("a"), SECOND)
    world.held.stop()
    world.now = 5.0
    assert not world.held.hold(delivery("b"), timedelta(0))
    world.held._thread.join(10)
    assert not world.held._thread.is_alive()
    assert world.back == []
