"""Whatever is delayed, reordered, duplicated or handed out again: what stands in the end is true.

A history is a list of events at the booking system, each with its notification. A disturbance says,
for each notification, how many events later the fetcher got round to ask, and in what order and
how often the composer was handed the answers.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.message_text import MessageText
from composer.noticeable import changed_aspects
from shared.booking.identity import BookingKey
from shared.booking.inbox import MessageKind
from shared.booking.messages import BookingDetails, FetchedBooking
from tests.unit.composer_world import CALL, LATER, MOMENT, VISIT, World, but, key

pytestmark = pytest.mark.slow

VERSIONS = [VISIT, LATER, CALL, but(VISIT, reason="Ont i ögat"), but(LATER, unit_name="Bergby")]
ONE = [key("A")]
SEVERAL = [key("A"), key("B"), key("C")]


@dataclass(frozen=True)
class Event:
    """The booking is put as `details`, or removed; or put in the place of another one."""

    booking: BookingKey
    details: BookingDetails | None
    replaces: BookingKey | None
    #: How many events later the source is asked.
    asked_after: int
    #: Where in the order of answers this one stands; once for each time it is handed out.
    places: tuple[int, ...]


@st.composite
def events(draw: st.DrawFn, bookings: list[BookingKey]) -> Event:
    booking = draw(st.sampled_from(bookings))
    details = draw(st.none() | st.sampled_from(VERSIONS))
    others = [other for other in bookings if other != booking]
    replaces = draw(st.none() | st.sampled_from(others)) if others and details else None
    places = st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple)
    return Event(booking, details, replaces, draw(st.integers(0, 5)), draw(places))


class SilentWriter:
    """Finds no words: these tests look at what is told, not how, and do so a thousand times."""

    def render(self, *_: object) -> MessageText:
        return MessageText("", "", "")


def happen(world: World, event: Event) -> None:
    if event.replaces:
        world.source.pop(event.replaces.digest, None)
    if event.details:
        world.source[event.booking.digest] = event.details
    else:
        world.source.pop(event.booking.digest, None)


def ask(world: World, event: Event, received_at: datetime) -> FetchedBooking:
    return world.fetch(
        event.booking,
        deleted=event.details is None,
        replaces=event.replaces,
        received_at=received_at,
    )


def disturbed(history: list[Event]) -> World:
    """All answers come after all events, in the order of their places."""
    world = World(SilentWriter())
    answers: list[tuple[int, FetchedBooking]] = []
    received: list[datetime] = []
    for now, event in enumerate(history):
        happen(world, event)
        world.now += MOMENT
        received.append(world.now)
        for index, earlier in enumerate(history[: now + 1]):
            last = now == len(history) - 1
            if index + earlier.asked_after == now or (last and index + earlier.asked_after > now):
                fetched = ask(world, earlier, received[index])
                answers.extend((place, fetched) for place in earlier.places)
    for _, fetched in sorted(answers, key=lambda answer: answer[0]):
        world.hand(fetched)
        world.ask()
    world.pass_time(timedelta(hours=1))
    return world


def undisturbed(history: list[Event]) -> World:
    world = World(SilentWriter())
    for event in history:
        happen(world, event)
        world.hand(ask(world, event, world.now))
        world.ask()
    world.pass_time(timedelta(hours=1))
    return world


def truth(world: World, bookings: list[BookingKey]) -> dict[str, BookingDetails | None]:
    return {booking.booking_id: world.source.get(booking.digest) for booking in bookings}


def belief(world: World, bookings: list[BookingKey]) -> dict[str, BookingDetails | None]:
    return {booking.booking_id: world.believed(booking) for booking in bookings}


@settings(max_examples=200, deadline=None)
@given(st.lists(events(ONE), min_size=1, max_size=6))
def test_one_booking_is_believed_as_it_is(history: list[Event]) -> None:
    world = disturbed(history)
    assert belief(world, ONE) == truth(world, ONE) == belief(undisturbed(history), ONE)


@settings(max_examples=200, deadline=None)
@given(st.lists(events(SEVERAL), min_size=1, max_size=7))
def test_several_bookings_are_believed_as_they_are(history: list[Event]) -> None:
    world = disturbed(history)
    assert belief(world, SEVERAL) == truth(world, SEVERAL)
    assert belief(undisturbed(history), SEVERAL) == truth(world, SEVERAL)


@settings(max_examples=200, deadline=None)
@given(st.lists(events(SEVERAL), min_size=1, max_size=7))
def test_every_message_was_true_and_says_something_new(history: list[Event]) -> None:
    world = disturbed(history)
    happened = {(event.booking.digest, event.details) for event in history}
    replaced = {event.replaces.digest for event in history if event.replaces}
    for message in world.inbox.messages:
        if message.kind is MessageKind.CANCELLATION:
            assert message.booking in replaced or (message.booking, None) in happened
        else:
            assert any(details == message.state for _, details in happened)
    chain = sorted(world.inbox.messages, key=lambda told: (told.booking, told.revision))
    for message, following in pairwise(chain):
        is_same = message.booking == following.booking and message.kind is following.kind
        # A message that came of another booking's removal says what became of that one; and one
        # that was told as replaced and is back may be as it was.
        is_own = world.about[following.change_id] == following.booking
        if is_same and is_own and following.booking not in replaced:
            assert changed_aspects(message.state, following.state)


@settings(max_examples=200, deadline=None)
@given(st.lists(events(SEVERAL), min_size=1, max_size=7))
def test_each_message_is_ordered_for_the_phone_once_or_again_as_the_same(
    history: list[Event],
) -> None:
    world = disturbed(history)
    ordered = {order.message_id for order in world.orders}
    assert ordered == {message.id for message in world.inbox.messages}
    distinct = {order.model_dump_json() for order in world.orders}
    assert len(distinct) == len(ordered)


@settings(max_examples=200, deadline=None)
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
    world.pass_time(timedelta(hours=1))
    assert belief(world, ONE) == truth(world, ONE)
