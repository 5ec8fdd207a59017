"""A visit whose patient gets another person number, by way of the fetcher and the composer: however
late each answer is and whenever the relay is away, it is no incident, and no cancellation is lost.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher.answers import Answer, Timeslot
from fetcher.handler import FetchHandler
from fetcher.verification import Mismatch
from shared.booking.identity import BookingKey
from shared.booking.inbox import MessageKind
from shared.booking.messages import BookingChange, FetchedBooking
from shared.relay.outcomes import Postpone, Publish
from tests.unit.composer_world import PATIENCE, VISIT, WINDOW, Said, World, key
from tests.unit.plays import AT_ONCE, LAGS, OUTAGES, SilentWriter

pytestmark = pytest.mark.slow

OLD, NEW = key("A"), key("A", patient="201212121212")


class Relay(World):
    """Whose changes go through the fetcher, too. The source has one visit, of one patient."""

    def __init__(self) -> None:
        super().__init__(SilentWriter())
        self.whose = ""  # "": the source has no such visit
        self.delays: Iterator[float] = iter(())  # until the source is asked
        self._asks = FetchHandler(
            {"riv:crm:scheduling": _Source(self)},
            self.register,  # type: ignore[arg-type]
            _Admitted(),
            _Alarm(self),
            _Named(self),
            lambda: self.now,
            explained_within=PATIENCE + WINDOW,
        )

    def tell(self, *said: Said) -> None:
        for change in self.take(*said):
            asked = self.now + timedelta(seconds=next(self.delays, 0))
            self.in_relay_at(asked, partial(self.ask_source, change))

    def ask_source(self, change: BookingChange) -> None:
        self.about[change.change_id] = change.booking.digest
        outcome = self._asks(change)
        if isinstance(outcome, Postpone):
            assert isinstance(outcome.instead, BookingChange)
            again = partial(self.ask_source, outcome.instead)
            self.in_relay_at(self.now + outcome.delay, again)
        if isinstance(outcome, Publish):
            [fetched] = outcome.messages
            assert isinstance(fetched, FetchedBooking)
            self.hand(fetched)

    def ask(self) -> None:
        while self.asked:
            self.ask_source(self.asked.pop(0))


@dataclass
class _Source:
    relay: Relay

    def fetch(self, booking: BookingKey, _: str) -> Answer:
        self.relay.now += timedelta(milliseconds=1)
        whose = self.relay.whose
        timeslot = Timeslot(VISIT, whose, booking.booking_id) if whose else None
        return Answer(self.relay.now, timeslot)

    def visit_starts(self, _: BookingChange) -> datetime | None:
        return None


class _Admitted:
    def admit(self, *_: object) -> Any:
        return nullcontext()


@dataclass
class _Named:
    relay: Relay

    def has(self, booking: BookingKey) -> bool:
        inbox = self.relay.inbox
        pending = {digest for digest, _ in inbox.pending}
        return booking.digest in {*inbox.watermarks, *pending}


@dataclass
class _Alarm:
    relay: Relay

    def mismatch(self, _: object, what: Mismatch) -> None:
        self.relay.mismatches.append(what)


@dataclass(frozen=True)
class Story:
    """Times are in seconds, each after what happens before it."""

    known: bool  # announced under the old number a day before; else booked a little before
    renumbered_after: float
    requests: str
    apart: float
    cancelled_after: float | None
    lag: float  # until the source shows what the index was told

    @property
    def renumbering(self) -> list[list[Said]]:
        gone, there = (OLD, True), (NEW, False)
        return {
            "one": [[gone, there]],
            "removed first": [[gone], [there]],
            "created first": [[there], [gone]],
        }[self.requests]


SECONDS = st.just(0.0) | st.floats(0, 60)
STORIES = st.builds(
    Story,
    st.booleans(),
    SECONDS,
    st.sampled_from(["one", "removed first", "created first"]),
    st.floats(0, 40),
    st.none() | SECONDS,
    AT_ONCE | LAGS,
)


def play(story: Story, delays: list[float], away: tuple[float, float]) -> Relay:
    relay = Relay()
    if story.known:
        relay.whose = OLD.patient
        relay.tell((OLD, False))
        relay.pass_time(timedelta(days=1))
    relay.delays = iter(delays)
    when = relay.now
    relay.away = when + timedelta(seconds=away[0]), when + timedelta(seconds=sum(away))
    happens: list[tuple[float, str, list[list[Said]]]] = [
        (story.renumbered_after, NEW.patient, story.renumbering)
    ]
    if not story.known:
        happens.insert(0, (0, OLD.patient, [[(OLD, False)]]))
    if story.cancelled_after is not None:
        happens.append((story.cancelled_after, "", [[(NEW, True)]]))
    for after, whose, requests in happens:
        when += timedelta(seconds=after)
        relay.at(when + timedelta(seconds=story.lag), partial(setattr, relay, "whose", whose))
        for number, request in enumerate(requests):
            when += timedelta(seconds=story.apart if number else 0)
            relay.at(when, partial(relay.tell, *request))
    relay.pass_time(timedelta(hours=3))
    return relay


@settings(deadline=None)
@given(STORIES, st.lists(SECONDS, max_size=6), OUTAGES)
def test_a_new_number_is_no_incident_and_hides_no_cancellation(
    story: Story, delays: list[float], away: tuple[float, float]
) -> None:
    relay = play(story, delays, away)
    assert relay.mismatches == []
    told = [(message.patient, message.kind) for message in relay.inbox.messages]
    under_new = [kind for patient, kind in told if patient == NEW.patient]
    if story.cancelled_after is None:
        assert under_new == [MessageKind.BOOKING_CONFIRMATION]
    elif under_new:
        assert under_new == [MessageKind.BOOKING_CONFIRMATION, MessageKind.CANCELLATION]
    under_old = [kind for patient, kind in told if patient == OLD.patient]
    is_lost = story.cancelled_after is not None and not under_new and bool(under_old)
    assert under_old.count(MessageKind.CANCELLATION) == is_lost
