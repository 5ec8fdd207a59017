"""A visit that moves between units and whose patient gets another person number, all in haste: it
is one visit, so nothing of it is announced as cancelled unless it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.booking.identity import BookingKey
from shared.booking.inbox import MessageKind
from shared.booking.messages import BookingDetails
from tests.unit.composer_world import (
    OTHER_UNIT,
    PATIENT,
    UNIT,
    VISIT,
    Elsewhere,
    Said,
    World,
    but,
    key,
)
from tests.unit.plays import SilentWriter, Way, ways

pytestmark = pytest.mark.slow

OTHER_NUMBER = "201212121212"
UNITS, NUMBERS = (UNIT, OTHER_UNIT), (PATIENT, OTHER_NUMBER)
THIRD_OF_WINDOW = 30


@dataclass(frozen=True)
class Step:
    """What happens to the visit. Times are in seconds."""

    what: str  # "move", "new number", "new time" or "cancel"
    after: float  # the step before it
    requests: str  # of the two that a move or a new number takes: "one", "gone first", "new first"
    apart: float


class Visit:
    """The only one at its source, which says to others where it is."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.key: BookingKey | None = None
        self.details = VISIT

    def put(self, booking: BookingKey | None, details: BookingDetails) -> None:
        self.key, self.details = booking, details
        for each in everywhere():
            self.world.source.pop(each.digest, None)
            if each == booking:
                self.world.source[each.digest] = details
            elif booking and each.logical_address == booking.logical_address:
                self.world.source[each.digest] = Elsewhere(of_another_patient=True)


def everywhere() -> list[BookingKey]:
    return [key("A", unit, number) for unit in UNITS for number in NUMBERS]


def say(world: World, said: tuple[Said, ...], ways: Iterator[Way]) -> None:
    for change in world.take(*said):
        way = next(ways, Way(0, (0,)))
        world.at(world.now + timedelta(seconds=way.asked_after), partial(ask, world, change, way))


def ask(world: World, change: object, way: Way) -> None:
    fetched = world.fetch(change)  # type: ignore[arg-type]
    for seconds in way.handed_after:
        world.at(world.now + timedelta(seconds=seconds), partial(world.hand, fetched))


def requests_of(step: Step, old: BookingKey, new: BookingKey) -> list[tuple[Said, ...]]:
    gone, there = (old, True), (new, False)
    if step.what == "cancel":
        return [(gone,)]
    if step.what == "new time":
        return [(there,)]
    return {
        "one": [(gone, there)],
        "gone first": [(gone,), (there,)],
        "new first": [(there,), (gone,)],
    }["one" if step.what == "move" else step.requests]


def play(steps: list[Step], ways: list[Way]) -> tuple[World, BookingKey | None, BookingDetails]:
    """The visit was announced long before."""
    world = World(SilentWriter())
    visit = Visit(world)
    booking, details = key("A"), VISIT
    visit.put(booking, details)
    world.hear(booking)
    world.pass_time(timedelta(days=1))
    when, remaining = world.now, iter(ways)
    for number, step in enumerate(steps):
        when += timedelta(seconds=step.after)
        old = booking
        booking, details = after(step, number, booking, details)
        there = None if step.what == "cancel" else booking
        world.at(when, partial(visit.put, there, details))
        for position, said in enumerate(requests_of(step, old, booking)):
            when += timedelta(seconds=step.apart if position else 0)
            world.at(when, partial(say, world, said, remaining))
    world.pass_time(timedelta(hours=3))
    return world, visit.key, visit.details


def after(
    step: Step, number: int, booking: BookingKey, details: BookingDetails
) -> tuple[BookingKey, BookingDetails]:
    if step.what == "move":
        [unit] = set(UNITS) - {booking.logical_address}
        return booking.replaced(logical_address=unit), details
    if step.what == "new number":
        return booking.replaced(patient=OTHER_NUMBER), details
    if step.what == "new time":
        return booking, but(details, starts=f"202612{number + 11}090000", ends="")
    return booking, details


SECONDS = st.just(0.0) | st.floats(0, THIRD_OF_WINDOW) | st.just(300.0)


def steps(what: st.SearchStrategy[str]) -> st.SearchStrategy[Step]:
    requests = st.sampled_from(["one", "gone first", "new first"])
    return st.builds(Step, what, SECONDS, requests, st.floats(0, THIRD_OF_WINDOW))


@st.composite
def stories(draw: st.DrawFn) -> list[Step]:
    """The patient gets another number once."""
    others = st.lists(steps(st.sampled_from(["move", "new time"])), max_size=2)
    renumbered = draw(steps(st.just("new number")))
    last = draw(st.lists(steps(st.just("cancel")), max_size=1))
    return [*draw(others), renumbered, *draw(others), *last]


@settings(deadline=None)
@given(stories(), st.lists(ways(THIRD_OF_WINDOW), max_size=14))
def test_a_visit_that_moves_under_a_new_number_is_cancelled_only_if_it_is(
    story: list[Step], ways: list[Way]
) -> None:
    world, booking, details = play(story, ways)
    assert "reply_mismatch" not in world.outcomes
    cancelled = [each.key for each in world.inbox.messages if each.kind is MessageKind.CANCELLATION]
    assert len(cancelled) <= (booking is None)
    for each in everywhere():
        assert world.believed(each) == (details if each == booking else None)
