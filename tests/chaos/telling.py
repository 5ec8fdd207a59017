"""What a patient may be told of one visit: the oracle. It knows none of the relay's code.

A visit is a row of moments: what its booking system said, one after another. The relay asks when
it is notified, so it sees the last moment for certain, and of those before it the ones that were
waited out, and perhaps others. From every choice of the others follows one acceptable *telling*:
the messages, in their order, of somebody who saw just these moments.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Booking:
    """One booking in its booking system. `unit` is the logical address."""

    unit: str
    booking_id: str


@dataclass(frozen=True, slots=True)
class State:
    """What a booking system says of a booking. `starts` is wall time, "" for an open call."""

    starts: str
    performer: str
    is_call: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One message, as far as it matters here. Of a cancellation: what was cancelled."""

    kind: str
    booking_id: str
    starts: str
    performer: str


@dataclass(frozen=True, slots=True)
class Moment:
    """What is true of a visit from one step to the next; `state` None: there is no such booking.

    `apart`: it took another booking's place, and the two were told in requests of their own.
    """

    booking: Booking
    state: State | None
    seen_for_sure: bool = False
    apart: bool = False


Telling = tuple[Line, ...]
#: What the patient believes.
Belief = tuple[Booking, State] | None


def tellings(moments: Sequence[Moment]) -> frozenset[Telling]:
    """Every acceptable telling of `moments`, of which the last is seen for sure."""
    if not moments:
        return frozenset([()])
    *former, last = moments
    return frozenset(
        (*told, *lines) for told, belief in _readings(former) for lines, _ in _told(belief, last)
    )


def _readings(moments: Sequence[Moment]) -> set[tuple[Telling, Belief]]:
    """What may have been told after `moments`, each with what the patient then believes."""
    readings: set[tuple[Telling, Belief]] = {((), None)}
    for moment in moments:
        seen = {
            ((*told, *lines), after)
            for told, before in readings
            for lines, after in _told(before, moment)
        }
        readings = seen if moment.seen_for_sure else readings | seen
    return readings


def _told(belief: Belief, moment: Moment) -> Iterator[tuple[Telling, Belief]]:
    """The messages that follow from seeing `moment`, each way, and what is believed after them."""
    if moment.state is None:
        yield _gone(belief)
        return
    now = moment.booking, moment.state
    if belief is None:
        yield (_new(now),), now
    elif belief == now:
        yield (), now
    else:
        yield (_changed(belief, now),), now
        if moment.apart:
            yield from ((lines, now) for lines in _as_two(belief, now))


def _gone(belief: Belief) -> tuple[Telling, Belief]:
    if belief is None:
        return (), belief
    return (_line("cancellation", belief),), None


def _as_two(old: tuple[Booking, State], new: tuple[Booking, State]) -> Iterator[Telling]:
    """Of a rebooking in two requests, one of which was long on its way."""
    cancelled = _line("cancellation", old)
    yield cancelled, _new(new)
    yield _new(new), cancelled
    yield _new(new), _changed(old, new)  # the new booking was told before the old one was removed


def _new(now: tuple[Booking, State]) -> Line:
    if not now[1].is_call:
        return _line("booking_confirmation", now)
    return _line("timed_call" if now[1].starts else "open_call", now)


def _changed(old: tuple[Booking, State], now: tuple[Booking, State]) -> Line:
    before, after = old[1], now[1]
    if before.starts and after.starts and before.starts != after.starts:
        return _line("changed_time", now)
    if before.starts != after.starts or before.is_call != after.is_call:
        return _new(now)
    return _line("changed", now)


def _line(kind: str, about: tuple[Booking, State]) -> Line:
    booking, state = about
    return Line(kind, booking.booking_id, state.starts, state.performer)
