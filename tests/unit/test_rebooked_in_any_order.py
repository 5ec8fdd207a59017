"""One rebooking is one message, and two visits are never taken for one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.replacement import same_kind
from shared.booking.identity import BookingKey
from shared.booking.inbox import InboxMessage, MessageKind
from shared.booking.messages import BookingDetails
from tests.unit.composer_world import (
    LATER,
    LIMITS,
    OTHER_UNIT,
    PATIENCE,
    VISIT,
    World,
    but,
    key,
)
from tests.unit.plays import (
    AT_ONCE,
    LONG,
    ONE,
    Event,
    Play,
    SilentWriter,
    Way,
    belief,
    truth,
    ways,
)

pytestmark = pytest.mark.slow

CARES = ["Ögonsjukvård", "Fysioterapi", "Kirurgi"]


@dataclass(frozen=True)
class Visit:
    """One visit of its own kind, booked and then rebooked so many times, at last cancelled."""

    care: str
    rebookings: int
    is_cancelled: bool
    keeps_id: bool  # each time at another unit, as when a clinic moves; else under a new id
    is_known: bool = True  # its patient was told of it before; else it is booked in the story

    def key(self, number: int) -> BookingKey:
        if self.keeps_id:
            return key(self.care, unit=f"{OTHER_UNIT}{number}")
        return key(f"{self.care} {number}")

    def details(self, number: int) -> BookingDetails:
        return but(VISIT, starts=f"202612{number + 10}090000", ends="", care_type_name=self.care)


def visits() -> st.SearchStrategy[list[Visit]]:
    one = st.builds(
        Visit,
        st.sampled_from(CARES),
        st.integers(0, 3),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    )
    return st.lists(one, min_size=1, max_size=3, unique_by=lambda visit: visit.care)


@st.composite
def rebookings(draw: st.DrawFn, lag: st.SearchStrategy[float]) -> tuple[list[Visit], list[Event]]:
    """Visits, and the events of their rebookings within one window: removals of one before the
    creations that follow, and clean-ups of old entries and visits of other kinds among them."""
    told = draw(visits())
    story = [
        _event(draw, visit.key(0), visit.details(0), lag) for visit in told if not visit.is_known
    ]
    for number in range(1 + max(visit.rebookings for visit in told)):
        for visit in draw(st.permutations(told)):
            if number < visit.rebookings:
                story.append(_event(draw, visit.key(number), None, lag))
                story.append(_event(draw, visit.key(number + 1), visit.details(number + 1), lag))
            elif number == visit.rebookings and visit.is_cancelled:
                story.append(_event(draw, visit.key(number), None, lag))
        if draw(st.booleans()):
            story.append(_event(draw, key(f"old {number}"), None, lag))
    return told, story


def _event(
    draw: st.DrawFn,
    booking: BookingKey,
    details: BookingDetails | None,
    lag: st.SearchStrategy[float],
) -> Event:
    return Event(booking, details, draw(st.floats(0, 5)), draw(lag), draw(st.booleans()))


def announced_beforehand(play: Play, visits: list[Visit]) -> None:
    """The patient was told of the known visits a day ago."""
    for visit in visits:
        if visit.is_known:
            play.world.create(visit.key(0), visit.details(0))
    play.world.pass_time(timedelta(days=1))


def of(visit: Visit, world: World) -> list[InboxMessage]:
    return [each for each in world.inbox.messages if each.state.care_type_name == visit.care]


@settings(deadline=None)
@given(rebookings(st.just(0.0) | st.floats(0, 20)), st.lists(ways(10), max_size=30))
def test_cancelled_and_a_new_time_for_one_rebooking_cannot_be_reached(
    told: tuple[list[Visit], list[Event]], ways: list[Way]
) -> None:
    visits, story = told
    play = Play(ways)
    announced_beforehand(play, visits)
    world = play.happen(story)
    for visit in visits:
        kinds = [message.kind for message in of(visit, world)]
        cancelled = kinds.count(MessageKind.CANCELLATION)
        # Announced as new before its removal was known, it is one more in which to believe.
        believed_in = kinds.count(MessageKind.BOOKING_CONFIRMATION) if visit.is_cancelled else 0
        assert (visit.is_cancelled and visit.is_known) <= cancelled <= believed_in, kinds
        last = visit.key(visit.rebookings)
        believed = world.believed(last)
        assert believed == (None if visit.is_cancelled else visit.details(visit.rebookings))
        for number in range(visit.rebookings):
            assert world.believed(visit.key(number)) is None


@settings(deadline=None)
@given(rebookings(st.just(0.0) | st.floats(0, 20)), st.lists(ways(10), max_size=30))
def test_changed_for_two_errands_cannot_be_reached(
    told: tuple[list[Visit], list[Event]], ways: list[Way]
) -> None:
    visits, story = told
    play = Play(ways)
    announced_beforehand(play, visits)
    messages = play.happen(story).inbox.messages
    of_entry: dict[str, list[InboxMessage]] = {}
    for message in messages:
        of_entry.setdefault(message.calendar_uid, []).append(message)
    for chain in of_entry.values():
        for old, new in pairwise(chain):
            assert same_kind(old.state, new.state)


@settings(deadline=None)
@given(rebookings(AT_ONCE), st.lists(st.floats(0, 10), max_size=30))
def test_a_rebooking_whose_removal_ingest_took_first_is_one_message(
    told: tuple[list[Visit], list[Event]], fetches: list[float]
) -> None:
    """The composer hears of a removal as soon as it is taken; the sources take their time."""
    visits, story = told
    play = Play([Way(seconds, (0.0,)) for seconds in fetches])
    announced_beforehand(play, visits)
    play._ways = iter([])
    world = play.happen(story)
    for visit in visits:
        kinds = [str(message.kind) for message in of(visit, world)]
        assert kinds.count("booking_confirmation") <= 1
        assert len(kinds) <= 1 + visit.rebookings + visit.is_cancelled


@dataclass(frozen=True)
class Half:
    """A booking of a chain is put or removed. Times are in seconds."""

    after: float  # the half before it
    asked_after: float
    handed_after: float
    lag: float


@dataclass(frozen=True)
class Chain:
    """A visit that was announced a day ago is rebooked twice, each half in a request of its own, or
    the first two in one."""

    first_is_one_request: bool
    keeps_id: bool  # each time at another unit; else under a new id
    returns: bool  # the third is the first booking, at another time
    removal_first: tuple[bool, bool]
    halves: tuple[Half, Half, Half, Half]
    patience: float

    @property
    def keys(self) -> list[BookingKey]:
        units = ["", OTHER_UNIT, f"{OTHER_UNIT}2"]
        keys = [key("A", unit) if unit else key("A") for unit in units]
        keys = keys if self.keeps_id else [key(name) for name in "ABC"]
        return [*keys[:2], keys[0]] if self.returns else keys

    def said(self) -> list[tuple[BookingKey, BookingDetails | None]]:
        first, second, third = self.keys
        put = [(second, _visit_of_chain(2)), (third, _visit_of_chain(3))]
        said: list[tuple[BookingKey, BookingDetails | None]] = []
        for old, new, removal_first in zip((first, second), put, self.removal_first, strict=True):
            halves = [(old, None), new]
            said += halves if removal_first else reversed(halves)
        return said

    @property
    def is_one_change_at_least(self) -> bool:
        """The first rebooking is clear, and the end comes within the window of its removal."""
        after = sum(half.after for half in self.halves[2 : 3 + self.removal_first[1]])
        is_clear = self.first_is_one_request and not (self.keeps_id or self.returns)
        return is_clear and after < LIMITS.window.total_seconds()


def _visit_of_chain(number: int) -> BookingDetails:
    return but(VISIT, starts=f"202612{number + 10}090000", ends="")


def chains() -> st.SearchStrategy[Chain]:
    after = st.floats(0, 3) | st.floats(0, 120)
    delay = AT_ONCE | st.floats(0, 60)
    half = st.builds(Half, after, delay, delay, AT_ONCE | st.floats(0, 10))
    first, both = st.booleans(), st.tuples(half, half, half, half)
    patience = st.sampled_from([15.0, PATIENCE.total_seconds()])
    return st.builds(Chain, first, first, first, st.tuples(first, first), both, patience)


@settings(deadline=None)
@given(chains())
def test_the_end_of_a_chain_is_announced_once_as_a_change(chain: Chain) -> None:
    play = Play(Way(half.asked_after, (half.handed_after,)) for half in chain.halves)
    patience = timedelta(seconds=chain.patience)
    play.world = World(SilentWriter(), replace(LIMITS, patience=patience))
    old = chain.keys[0]
    play.world.source[old.digest] = _visit_of_chain(1)
    play.world.notify((old, False))
    play.world.pass_time(timedelta(days=1))
    play._shown = play.world.now
    world = play.happen(
        Event(booking, details, half.after, half.lag, chain.first_is_one_request and not number)
        for number, (half, (booking, details)) in enumerate(
            zip(chain.halves, chain.said(), strict=True)
        )
    )
    assert belief(world, chain.keys) == truth(world, chain.keys)
    end = _visit_of_chain(3)
    kinds = [each.kind for each in world.inbox.messages if each.state == end]
    assert len(kinds) == len(set(kinds)) <= 2
    if chain.is_one_change_at_least:
        cancelled = [each.state for each in world.inbox.messages if each.kind == "cancellation"]
        assert _visit_of_chain(1) not in cancelled


class WhatStands(SilentWriter):
    """Keeps which visits a cancellation says to stand, by the time that it cancels."""

    def __init__(self) -> None:
        self.of: dict[str, list[str]] = {}

    def render(self, kind: MessageKind, details: BookingDetails, *_: object, **says: object) -> Any:
        if kind is MessageKind.CANCELLATION:
            still_booked = cast("Sequence[BookingDetails]", says["still_booked"])
            self.of[details.starts] = [each.starts for each in still_booked]
        return super().render()


@settings(deadline=None)
@given(st.floats(0, 60), AT_ONCE | st.floats(0, 20), st.lists(ways(60), max_size=6))
def test_where_the_creation_came_first_the_cancellation_names_the_visit_that_stands(
    seconds: float, lag: float, ways: list[Way]
) -> None:
    """Announced before the removal was taken, they are two visits as far as anybody can know."""
    play = Play(ways)
    writer = WhatStands()
    play.world = World(writer)
    old, new = key("old"), key("new")
    play.world.create(old, VISIT)
    play.world.pass_time(timedelta(days=1))
    play._shown = play.world.now
    story = [Event(new, LATER, 0, lag, False), Event(old, None, seconds, lag, False)]
    world = play.happen(story)
    if MessageKind.CANCELLATION in world.kinds:
        assert world.kinds[1:] == ["booking_confirmation", "cancellation"]
        assert writer.of == {VISIT.starts: [LATER.starts]}
    else:
        assert world.kinds[-1] == "changed_time"
    assert (world.believed(old), world.believed(new)) == (None, LATER)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["put", "put otherwise", "remove"]), max_size=6), st.booleans())
def test_of_several_events_within_its_window_the_index_may_send_the_last_or_the_removal_alone(
    events: list[str], removal_alone: bool
) -> None:
    """Whichever it was, what the patient believes is what the source has."""
    world = World(SilentWriter())
    for event in events:
        if event == "remove":
            world.source.pop(ONE[0].digest, None)
        else:
            world.source[ONE[0].digest] = VISIT if event == "put" else LATER
    is_gone = ONE[0].digest not in world.source
    world.hear(ONE[0], deleted=is_gone or removal_alone)
    world.pass_time(LONG)
    assert belief(world, ONE) == truth(world, ONE)


@settings(deadline=None)
@given(st.floats(0, 30), st.floats(0, 45), st.sampled_from([VISIT, LATER]), ways(10))
def test_what_is_back_when_the_window_ends_is_not_cancelled(
    gone_after: float, back_after: float, again: BookingDetails, way: Way
) -> None:
    """The index sends the removal alone, and the source is behind."""
    play = Play([Way(0, (0,)), way])
    play.world.source[ONE[0].digest] = VISIT
    play.world.hear(ONE[0])
    play.world.pass_time(timedelta(days=1))
    taken = play.world.now
    shown = taken + timedelta(seconds=gone_after)
    play.world.at(taken, partial(play._announce, ((ONE[0], True),)))
    play.world.at(shown, partial(play._show, Event(ONE[0], None, 0, 0, False)))
    back = Event(ONE[0], again, 0, 0, False)
    play.world.at(shown + timedelta(seconds=back_after), partial(play._show, back))
    play.world.pass_time(LONG)
    assert belief(play.world, ONE) == truth(play.world, ONE)
    assert "cancellation" not in play.world.kinds
