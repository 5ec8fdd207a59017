"""Whatever is delayed, reordered, grouped or handed out again: what stands in the end is true.

`make nightly` tries each property 10,000 times.
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from composer.noticeable import changed_aspects
from shared.booking.inbox import InboxMessage, MessageKind
from tests.unit.composer_world import (
    LATER,
    VISIT,
    World,
    key,
)
from tests.unit.plays import (
    AT_ONCE,
    LAGS,
    ONE,
    SEVERAL,
    Event,
    Play,
    Way,
    belief,
    events,
    truth,
    ways,
)

pytestmark = pytest.mark.slow


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
