"""Stories that a world lives through, and what may happen to each message on its way.

A story is what happens at a booking system, one event after another, each seen at the source some
time after it is announced; the events are grouped into requests to the index. A way says of a
message how long the fetcher takes to ask and the composer to be handed the answer, and how often.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from hypothesis import strategies as st

from composer.message_text import MessageText
from shared.booking.identity import BookingKey
from shared.booking.messages import BookingDetails
from tests.unit.composer_world import (
    CALL,
    LATER,
    PATIENCE,
    VISIT,
    World,
    but,
    key,
)

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

OUTAGES = st.just((0.0, 0.0)) | st.tuples(st.floats(0, 120), st.floats(0, 120))


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
