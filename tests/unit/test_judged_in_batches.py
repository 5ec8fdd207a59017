"""Changes that are judged together come to what they come to one after the other."""

import sys
from collections.abc import Iterator
from types import FrameType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from composer import judgement
from composer.verdict import Reason
from shared.booking.messages import FetchedBooking
from shared.relay.outcomes import DeadLetter, Postpone, Publish
from tests.unit.composer_world import LATER, VISIT, World, but, key

pytestmark = pytest.mark.slow

A, B = key("A"), key("B")
OTHERS = key("A", patient="201212121212")
BOOKINGS = [A, B, OTHERS]


def answers(world: World, events: list[tuple[int, bool, int]]) -> list[FetchedBooking]:
    """What the source says after each event: a booking is put there, with one of two times, or
    removed; each notification is handed out so many times."""
    fetched = []
    for booking, there, times in events:
        if there:
            world.source[BOOKINGS[booking].digest] = (VISIT, LATER)[times % 2]
        else:
            world.source.pop(BOOKINGS[booking].digest, None)
        fetched += [world.ask_about(BOOKINGS[booking], deleted=not there)] * times
    return fetched


EVENTS = st.lists(
    st.tuples(st.integers(0, 2), st.booleans(), st.integers(1, 2)), min_size=1, max_size=8
)


# Another patient's booking with this id, being removed, hides no cancellation.
@settings(deadline=None)
@example([(0, True, 1), (0, False, 1), (2, True, 1), (2, False, 1), (1, True, 1)])
@given(EVENTS)
def test_as_one_after_the_other(events: list[tuple[int, bool, int]]) -> None:
    one_by_one, together = World(), World()
    for fetched in answers(one_by_one, events):
        one_by_one.hand(fetched)
    together.hand_batch(answers(together, events))
    for world in (one_by_one, together):
        world.pass_time()
    assert sorted(together.kinds) == sorted(one_by_one.kinds)
    for booking in BOOKINGS:
        assert together.believed(booking) == one_by_one.believed(booking)


def test_each_has_its_own_outcome_in_the_order_they_came() -> None:
    world = World()
    for booking in BOOKINGS:
        world.source[booking.digest] = VISIT
    first, second, third = (world.ask_about(booking) for booking in BOOKINGS)
    unreadable = second.model_copy(update={"details": but(VISIT, starts="tomorrow")})
    outcomes = world.hand_batch([first, first, unreadable, third])
    assert [type(outcome) for outcome in outcomes] == [Publish, Publish, DeadLetter, Publish]
    assert world.outcomes[:2] == ["booking_confirmation", "announced_before"]
    assert len(world.inbox.messages) == 2


def test_of_one_patient_the_second_sees_what_came_of_the_first() -> None:
    world = World()
    world.source[A.digest] = VISIT
    outcomes = world.hand_batch([world.ask_about(A), world.ask_about(A)])
    assert isinstance(outcomes[1], Postpone)
    assert outcomes[1].reason is Reason.NOT_SHOWN_YET  # in case it was sent for a change


def test_what_has_one_id_under_two_person_numbers_is_judged_one_after_the_other() -> None:
    world = World()
    world.create(A, VISIT)
    world.pass_time()
    world.source = {OTHERS.digest: VISIT}
    messages = [*world.take((A, True)), *world.take((OTHERS, False))]
    world.hand_batch([world.fetch(message) for message in messages])
    world.pass_time()
    assert world.kinds == ["booking_confirmation", "booking_confirmation"]


def test_a_fetched_booking_enters_the_judgement_once() -> None:
    world = World()
    world.create(A, VISIT)
    entered: list[str] = []

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and is_judgement(frame) and not any(map(is_judgement, callers(frame))):
            entered.append(frame.f_code.co_name)

    world.source[A.digest] = LATER
    fetched = world.ask_about(A)
    sys.setprofile(watch)
    try:
        world.composer(fetched)
    finally:
        sys.setprofile(None)
    assert entered == ["judge"]


def is_judgement(frame: FrameType) -> bool:
    return frame.f_code.co_filename == judgement.__file__


def callers(frame: FrameType) -> Iterator[FrameType]:
    while frame := frame.f_back:  # type: ignore[assignment]
        yield frame
