"""A failover loses what was stored last; the notice's order has the booking system asked again."""

from collections.abc import Callable
from copy import deepcopy

import pytest

from tests.unit.composer_world import VISIT, World, but, key

A, B = key("A"), key("B")
LATER = but(VISIT, starts="20261224100000", ends="20261224103000")


def lose_since(world: World, happens: Callable[[], object]) -> None:
    """`happens`, and the database forgets all of it; then the notifier asks for what it misses."""
    before = deepcopy((world.inbox.messages, world.inbox.watermarks))
    ordered = len(world.orders)
    happens()
    world.pass_time()
    world.inbox.messages, world.inbox.watermarks = before
    for order in world.orders[ordered:]:
        assert order.change is not None
        for change in order.change.whole_request:
            world.hand(world.fetch(change))
    world.pass_time()


def test_a_lost_announcement_is_made_again() -> None:
    world = World()
    lose_since(world, lambda: world.create(A, VISIT))
    assert world.kinds == ["booking_confirmation"]
    assert world.believed(A) == VISIT


def test_a_lost_change_and_a_lost_cancellation_are_announced_again() -> None:
    world = World()
    world.create(A, VISIT)
    lose_since(world, lambda: world.create(A, LATER))
    assert world.kinds == ["booking_confirmation", "changed_time"]
    lose_since(world, lambda: world.remove(A))
    assert world.kinds[2:] == ["cancellation"]
    assert world.believed(A) is None


def test_what_was_not_lost_is_announced_no_second_time() -> None:
    world = World()
    world.create(A, VISIT)
    [order] = world.orders
    assert order.change is not None
    for _ in range(2):
        world.hand(world.fetch(order.change))
    world.pass_time()
    assert world.kinds == ["booking_confirmation"]


def test_a_lost_rebooking_names_the_new_time() -> None:
    world = World()
    world.create(A, VISIT)
    lose_since(world, lambda: world.rebook(A, B, LATER))
    assert world.believed(B) == LATER
    assert world.believed(A) is None
    assert world.kinds == ["booking_confirmation", "changed_time"]


@pytest.mark.parametrize("number", [1, 500])
def test_an_order_stays_small(number: int) -> None:
    world = World()
    bookings = [key(f"C{each}") for each in range(number)]
    for booking in bookings:
        world.source[booking.digest] = VISIT
    world.notify((A, True), *((booking, False) for booking in bookings))
    assert max(len(order.encode()) for order in world.orders) < 4000
