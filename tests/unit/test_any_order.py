"""Whatever is delayed, reordered, grouped or handed out again: what stands in the end is true.

A story is what happens at a booking system, one event after another, each seen at the source some
time after it is announced; the events are grouped into requests to the index. A disturbance says of
each message how long the fetcher takes to ask and the composer to be handed the answer, and how
often. `make nightly` tries each property 10,000 times.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from composer.message_text import MessageText
from composer.noticeable import changed_aspects
from composer.replacement import same_kind
from shared.booking.identity import BookingKey
from shared.booking.inbox import InboxMessage, MessageKind
from shared.booking.messages import BookingDetails
from tests.unit.composer_world import (
    CALL,
    LATER,
    LIMITS,
    OTHER_UNIT,
    PATIENCE,
    VISIT,
    World,
    but,
    key,
)

pytestmark = pytest.mark.slow

VERSIONS = [VISIT, LATER, CALL, but(VISIT, reason="Ont i ögat"), but(LATER, unit_name="Bergby")]
ONE = [key("A")]
SEVERAL = [key("A"), key("B"), key("C")]
LONG = timedelta(hours=1)


@dataclass(frozen=True)
class Event:
    """A booking is put as `details`, or removed. Times are in seconds."""

    booking: BookingKey
    details: BookingDetails | None
    after: float  # the event before it
    lag: float  # until the source shows it; the index knows at once
    with_next: bool  # the index sends it in one request with the next event
    late: float = 0  # until ingest takes its request, perhaps after those of later events


@dataclass(frozen=True)
class Way:
    """How one message goes its way: seconds until the source is asked, and until each handing; and
    whether the composer dies at the first, between what it stores and what it publishes."""

    asked_after: float
    handed_after: tuple[float, ...]
    dies: bool = False


SECONDS = st.floats(0, 60) | st.just(0.0)
AT_ONCE = st.just(0.0)
#: No source is slower than the patience, which counts from the notification to the last look.
LAGS = AT_ONCE | st.floats(0, PATIENCE.total_seconds() / 4)


def ways(longest: float) -> st.SearchStrategy[Way]:
    some = st.floats(0, longest) | st.just(0.0)
    return st.builds(Way, some, st.lists(some, min_size=1, max_size=3).map(tuple), st.booleans())


def events(
    bookings: list[BookingKey],
    lag: st.SearchStrategy[float],
    late: st.SearchStrategy[float] = AT_ONCE,
) -> st.SearchStrategy[Event]:
    details = st.none() | st.sampled_from(VERSIONS)
    return st.builds(Event, st.sampled_from(bookings), details, SECONDS, lag, st.booleans(), late)


class SilentWriter:
    """Finds no words: these tests look at what is announced, not how, and do so thousands of
    times."""

    def render(self, *_: object, **__: object) -> MessageText:
        return MessageText("", "", "")


class Play:
    """Lets a story happen to a world.

    `away`: seconds after its beginning until the relay stands still, and for how long. Ingest takes
    on meanwhile what the index sends.
    """

    def __init__(self, ways: Iterable[Way], away: tuple[float, float] = (0, 0)) -> None:
        self.world = World(SilentWriter())
        self._away = away
        self._ways = iter(ways)
        self._request: dict[BookingKey, bool] = {}
        self._late = timedelta(0)
        self._shown = self.world.now

    def happen(self, story: Iterable[Event]) -> World:
        when = self.world.now
        begin, seconds = map(timedelta, (0, 0), self._away)
        self.world.away = when + begin, when + begin + seconds
        for event in story:
            if event.booking in self._request:
                self._send(when)
            when += timedelta(seconds=event.after) if not self._request else timedelta(0)
            self._shown = max(self._shown, when + timedelta(seconds=event.lag))
            self.world.at(self._shown, partial(self._show, event))
            self._request[event.booking] = event.details is None
            self._late = timedelta(seconds=event.late)
            if not event.with_next:
                self._send(when)
        self._send(when)
        self.world.pass_time(LONG)
        return self.world

    def _send(self, when: datetime) -> None:
        taken = when + self._late
        self.world.at(taken, partial(self._announce, tuple(self._request.items())))
        self._request = {}

    def _show(self, event: Event) -> None:
        if event.details:
            self.world.source[event.booking.digest] = event.details
        else:
            self.world.source.pop(event.booking.digest, None)

    def _announce(self, said: tuple[tuple[BookingKey, bool], ...]) -> None:
        for message in self.world.take(*said) if said else []:
            way = next(self._ways, Way(0, (0,)))
            asked = self.world.now + timedelta(seconds=way.asked_after)
            self.world.in_relay_at(asked, partial(self._ask, message, way))

    def _ask(self, message: object, way: Way) -> None:
        fetched = self.world.fetch(message)  # type: ignore[arg-type]
        for seconds in way.handed_after:
            handed = self.world.now + timedelta(seconds=seconds)
            self.world.in_relay_at(handed, partial(self.world.hand, fetched))
        if way.dies:
            self.world.in_relay_at(self.world.now, partial(self.world.composer, fetched))


def truth(world: World, bookings: list[BookingKey]) -> dict[str, object]:
    return {booking.booking_id: world.source.get(booking.digest) for booking in bookings}


def belief(world: World, bookings: list[BookingKey]) -> dict[str, object]:
    return {booking.booking_id: world.believed(booking) for booking in bookings}


@settings(deadline=None)
@given(st.lists(events(ONE, AT_ONCE), min_size=1, max_size=6), st.lists(ways(60), max_size=12))
def test_one_booking_is_believed_as_it_is(story: list[Event], ways: list[Way]) -> None:
    world = Play(ways).happen(story)
    assert belief(world, ONE) == truth(world, ONE)


@settings(deadline=None)
@given(st.lists(events(SEVERAL, AT_ONCE), min_size=1, max_size=7), st.lists(ways(60), max_size=14))
def test_several_bookings_are_believed_as_they_are(story: list[Event], ways: list[Way]) -> None:
    world = Play(ways).happen(story)
    assert belief(world, SEVERAL) == truth(world, SEVERAL)


#: Carried over silently while the source showed a former state.
CARRIED_OVER = [
    Event(key("B"), VISIT, 0, 0, with_next=False),
    Event(key("A"), VISIT, 0, 2, with_next=False),
    Event(key("B"), None, 1, 0, with_next=False),
    Event(key("A"), None, 0, 6, with_next=False),
    Event(key("A"), LATER, 0, 0, with_next=False),
]


@settings(deadline=None)
@example(CARRIED_OVER, [])
@given(st.lists(events(SEVERAL, LAGS), min_size=1, max_size=7), st.lists(ways(60), max_size=14))
def test_a_source_that_is_behind_the_index_is_believed_in_the_end(
    story: list[Event], ways: list[Way]
) -> None:
    world = Play(ways).happen(story)
    assert belief(world, SEVERAL) == truth(world, SEVERAL)


#: The removal that came last is taken first, and two creations after it.
TAKEN_BACKWARDS = [
    Event(key("A"), VISIT, 0, 1, with_next=False, late=2),
    Event(key("A"), VISIT, 0, 0, with_next=False, late=1),
    Event(key("A"), None, 0, 2, with_next=False),
]
#: The source denied it to a creation before it did so to the removal.
DENIED_TO_ANOTHER = [
    Event(key("A"), VISIT, 0, 0, with_next=False),
    Event(key("A"), VISIT, 0, 0, with_next=False),
    Event(key("A"), VISIT, 0, 0, with_next=False, late=2),
    Event(key("A"), VISIT, 0, 0, with_next=False, late=2),
    Event(key("A"), None, 1, 7, with_next=False),
]
#: The composer dies after it has announced the creation, and another one was taken with it.
DIES_ONCE_ANNOUNCED = [
    Event(key("A"), None, 0, 0, with_next=False),
    Event(key("A"), None, 0, 1, with_next=False),
    Event(key("A"), VISIT, 0, 0, with_next=False, late=1),
    Event(key("A"), VISIT, 0, 0, with_next=False, late=1),
    Event(key("A"), None, 0, 2, with_next=False),
]


@settings(deadline=None)
@example(TAKEN_BACKWARDS, [])
@example(DENIED_TO_ANOTHER, [Way(0, (1,))])
@example(DIES_ONCE_ANNOUNCED, [*[Way(0, (0,))] * 3, Way(0, (1,), dies=True)])
@given(
    st.lists(events(ONE, LAGS, st.floats(0, 10)), min_size=1, max_size=5),
    st.lists(ways(10), max_size=14),
)
def test_requests_that_ingest_takes_in_another_order_are_believed_in_the_end(
    story: list[Event], ways: list[Way]
) -> None:
    """With a source that is behind, too: it says by the end what came last."""
    world = Play(ways).happen(story)
    assert belief(world, ONE) == truth(world, ONE)


def written_between(
    world: World, message: InboxMessage, following: InboxMessage
) -> Sequence[InboxMessage]:
    messages = world.inbox.messages
    return messages[messages.index(message) + 1 : messages.index(following)]


#: B is silently carried over to A, a twin of it, which is cancelled; then B is back.
TWIN_CANCELLED = [
    Event(key("B"), VISIT, 48, 0, with_next=True),
    Event(key("A"), VISIT, 0, 0, with_next=False),
    Event(key("B"), None, 0, 1, with_next=True),
    Event(key("A"), VISIT, 0, 0, with_next=False),
    Event(key("B"), None, 0, 6, with_next=True),
    Event(key("B"), VISIT, 0, 0, with_next=False),
    Event(key("A"), None, 6, 0, with_next=False),
]


@settings(deadline=None)
@example(TWIN_CANCELLED, [Way(0, (0,)), Way(0, (6,))])
@given(st.lists(events(SEVERAL, LAGS), min_size=1, max_size=7), st.lists(ways(60), max_size=14))
def test_every_message_was_true_and_says_something_new(story: list[Event], ways: list[Way]) -> None:
    world = Play(ways).happen(story)
    happened = {(event.booking.digest, event.details) for event in story}
    for message in world.inbox.messages:
        if message.kind is MessageKind.CANCELLATION:
            assert (message.booking, None) in happened
        else:
            assert any(details == message.state for _, details in happened)
    chain = sorted(world.inbox.messages, key=lambda each: (each.booking, each.revision))
    for message, following in pairwise(chain):
        is_same = message.booking == following.booking and message.kind is following.kind
        # A message that came of another booking's removal says what became of that one.
        is_own = world.about[following.change_id] == following.booking
        # Another booking took its place in between, and that was announced.
        next_of_entry = message.calendar_uid, message.revision + 1
        was_replaced = any(
            (each.calendar_uid, each.revision) == next_of_entry and each.booking != message.booking
            for each in world.inbox.messages
        )
        # It was carried over to another booking, which says the same and was cancelled in between.
        was_cancelled = any(
            each.kind is MessageKind.CANCELLATION and each.state == message.state
            for each in written_between(world, message, following)
        )
        is_believed = not was_replaced and not was_cancelled
        is_next = following.revision == message.revision + 1 and is_believed
        if is_same and is_own and is_next:
            assert changed_aspects(message.state, following.state)


@settings(deadline=None)
@given(st.lists(events(SEVERAL, LAGS), min_size=1, max_size=7), st.lists(ways(60), max_size=14))
def test_each_message_is_ordered_for_the_phone_once_or_again_as_the_same(
    story: list[Event], ways: list[Way]
) -> None:
    world = Play(ways).happen(story)
    ordered = {order.message_id for order in world.orders}
    assert ordered == {message.id for message in world.inbox.messages}
    # What was carried over to another id since is ordered by that: it is for the logs alone.
    may_differ = {"booking_id": True, "change": {"looks", "asked_other"}}
    distinct = {order.model_dump_json(exclude=may_differ) for order in world.orders}
    assert len(distinct) == len(ordered)


@settings(deadline=None)
@given(st.floats(0, 60), st.floats(0, 60), st.lists(st.floats(0, 60), max_size=3), ways(60))
def test_a_removal_that_is_undone_is_silent(
    seconds: float, asked_after: float, handed_after: list[float], way: Way
) -> None:
    """However late the source answers about the creation that undoes it."""
    removal = Way(min(asked_after, seconds), (0.0, *handed_after))
    play = Play([removal, way])
    play.world.source[ONE[0].digest] = VISIT
    play.world.hear(ONE[0])
    play.world.pass_time(timedelta(days=1))
    play._shown = play.world.now
    story = [Event(ONE[0], None, 0, 0, False), Event(ONE[0], VISIT, seconds, 0, False)]
    world = play.happen(story)
    assert world.kinds == ["booking_confirmation"]
    assert belief(world, ONE) == truth(world, ONE)


# --- who was ambiguous once is announced by itself, whatever is decided meanwhile ---


@dataclass(frozen=True)
class Alike:
    """Visits of one kind and unit: so many are removed, and so many are booked."""

    removed: int
    booked: int

    @property
    def said(self) -> list[tuple[BookingKey, bool]]:
        removals = [(key(f"old {number}"), True) for number in range(self.removed)]
        return removals + [(key(f"new {number}"), False) for number in range(self.booked)]


#: More than one way to pair them.
AMBIGUOUS = st.builds(Alike, st.integers(1, 3), st.integers(1, 3)).filter(
    lambda alike: (alike.removed, alike.booked) != (1, 1)
)
OUTAGES = st.just((0.0, 0.0)) | st.tuples(st.floats(0, 120), st.floats(0, 120))


def play_alike(
    alike: Alike,
    requests: list[tuple[float, list[tuple[BookingKey, bool]]]],
    ways: list[Way],
    away: tuple[float, float],
) -> World:
    """The old ones were announced before. `requests`: each so many seconds after the one before."""
    play = Play(ways, away)
    old = [booking for booking, gone in alike.said if gone]
    new = [booking for booking, gone in alike.said if not gone]
    for number, booking in enumerate(old):
        play.world.create(booking, but(VISIT, starts=f"202612{number + 10}090000", ends=""))
    play.world.pass_time(timedelta(days=1))
    for booking in old:
        play.world.source.pop(booking.digest)
    for number, booking in enumerate(new):
        starts = f"202612{number + 20}090000"
        play.world.source[booking.digest] = but(VISIT, starts=starts, ends="")
    when = play.world.now
    for seconds, request in requests:
        when += timedelta(seconds=seconds)
        play.world.at(when, partial(play._announce, tuple(request)))
    return play.happen([])


def assert_each_by_itself(alike: Alike, world: World) -> None:
    expected = ["booking_confirmation"] * alike.booked + ["cancellation"] * alike.removed
    assert sorted(world.kinds[alike.removed :]) == expected


@settings(deadline=None)
@given(AMBIGUOUS, st.data(), st.lists(ways(60), max_size=30), OUTAGES)
def test_ambiguous_in_one_request_each_is_announced_by_itself(
    alike: Alike, data: st.DataObject, ways: list[Way], away: tuple[float, float]
) -> None:
    """The index passes on each removal once more, as often as an Update is sent again."""
    removals = st.sampled_from([each for each in alike.said if each[1]])
    again = st.tuples(st.floats(0, 30), st.lists(removals, min_size=1, unique=True))
    requests = [(0.0, data.draw(st.permutations(alike.said)))]
    requests += data.draw(st.lists(again, max_size=3))
    assert_each_by_itself(alike, play_alike(alike, requests, ways, away))


@settings(deadline=None)
@given(AMBIGUOUS, st.lists(st.floats(0, 4)), st.lists(ways(10), max_size=30))
def test_ambiguous_across_requests_each_is_announced_by_itself(
    alike: Alike, seconds: list[float], ways: list[Way]
) -> None:
    after = iter(seconds)
    requests = [(next(after, 0.5), [said]) for said in alike.said]
    assert_each_by_itself(alike, play_alike(alike, requests, ways, (0, 0)))


# --- one rebooking is one message, and two visits are never taken for one ---

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
