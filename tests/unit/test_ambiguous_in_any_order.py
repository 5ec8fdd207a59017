"""Who was ambiguous once is announced by itself, whatever is decided meanwhile."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.booking.identity import BookingKey
from tests.unit.composer_world import (
    VISIT,
    World,
    but,
    key,
)
from tests.unit.plays import (
    OUTAGES,
    Play,
    Way,
    ways,
)

pytestmark = pytest.mark.slow


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
