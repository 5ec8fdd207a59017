"""What may be announced to a patient of one visit: the oracle. It knows none of the relay's code.

A visit is a row of moments: what its booking system said, one after another. The relay asks when
it is notified, so it sees the last moment for certain, and of those before it the ones that were
waited out, and perhaps others. From every choice of the others follows one acceptable *telling*:
the messages, in their order, to somebody who saw just these moments.

A rebooking under another id or at another unit may be announced in the ways that
`tests.chaos.rebooking` permits: as one message wherever one is promised (docs/domain.md, "Rules of
removal and replacement").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Booking:
    """One booking in its booking system. `unit` is the logical address."""

    unit: str
    booking_id: str


@dataclass(frozen=True, slots=True)
class State:
    """What a booking system says of a booking. `starts` is wall time, "" for an open call.

    `care` is the kind of visit, "" if the system does not say. `answers_as`: the unit that it
    names, where that is not the one that was asked.
    """

    starts: str
    performer: str
    is_call: bool = False
    patient: str = ""
    care: str = ""
    answers_as: str = ""


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

    `silently`: that it is gone says nothing to this patient: it stands under another number.
    `undone`: it is back within the window, so that it was gone is not to be announced.
    """

    booking: Booking
    state: State | None
    seen_for_sure: bool = False
    silently: bool = False
    undone: bool = False


class Way(StrEnum):
    """How it may be announced that one booking took another one's place."""

    ONE_CHANGE = "one message: what changed"
    CANCELLED_THEN_NEW = "the old one cancelled, then the new one"
    NEW_THEN_CANCELLED = "the new one, then the old one cancelled"
    NEW_THEN_CHANGED = "the new one, then what changed"


Telling = tuple[Line, ...]
#: What the patient believes.
Belief = tuple[Booking, State] | None


class Ways(Protocol):
    """How it may be announced that `new` took the place of `old`."""

    def __call__(self, old: Booking, new: Booking, *, is_open_call: bool) -> frozenset[Way]: ...


def always_one_change(old: Booking, new: Booking, *, is_open_call: bool) -> frozenset[Way]:
    del old, new, is_open_call
    return frozenset([Way.ONE_CHANGE])


def tellings(moments: Sequence[Moment], ways: Ways = always_one_change) -> frozenset[Telling]:
    """Every acceptable telling of `moments`, of which the last is seen for sure."""
    if not moments:
        return frozenset([()])
    *former, last = moments
    return frozenset(
        (*told, *lines)
        for told, belief in _readings(former, ways)
        for lines, _ in _told(belief, last, ways)
    )


def third_for_either(moments: Sequence[Moment]) -> Iterator[Telling]:
    """Of three visits the first two were announced side by side. The third took the place of one of
    them, as where those two halves came in one request, and the other one is cancelled."""
    first, second, third = [(one.booking, one.state) for one in moments if one.state]
    for taken, gone in ((first, second), (second, first)):
        yield _new(first), _new(second), _changed(taken, third), _line("cancellation", gone)


def _readings(moments: Sequence[Moment], ways: Ways) -> set[tuple[Telling, Belief]]:
    """What may have been told after `moments`, each with what the patient then believes."""
    readings: set[tuple[Telling, Belief]] = {((), None)}
    for moment in moments:
        if moment.undone and not _may_be_seen_as_gone(moment.booking, ways):
            continue
        seen = {
            ((*told, *lines), after)
            for told, before in readings
            for lines, after in _told(before, moment, ways)
        }
        readings = seen if moment.seen_for_sure else readings | seen
    return readings


def _may_be_seen_as_gone(booking: Booking, ways: Ways) -> bool:
    return Way.CANCELLED_THEN_NEW in ways(booking, booking, is_open_call=False)


def _told(belief: Belief, moment: Moment, ways: Ways) -> Iterator[tuple[Telling, Belief]]:
    """The messages that follow from seeing `moment`, each way, and what is believed after them."""
    if moment.state is None:
        yield ((), None) if moment.silently else _gone(belief)
        return
    now = moment.booking, moment.state
    if belief is None:
        yield (_new(now),), now
    elif belief == now:
        yield (), now
    elif belief[0] == now[0]:
        yield (_changed(belief, now),), now
    else:
        for way in ways(belief[0], now[0], is_open_call=not belief[1].starts):
            yield _replaced(belief, now, way), now


def _gone(belief: Belief) -> tuple[Telling, Belief]:
    if belief is None:
        return (), belief
    return (_line("cancellation", belief),), None


def _replaced(old: tuple[Booking, State], new: tuple[Booking, State], way: Way) -> Telling:
    cancelled = _line("cancellation", old)
    match way:
        case Way.ONE_CHANGE:
            return (_changed(old, new),)
        case Way.CANCELLED_THEN_NEW:
            return cancelled, _new(new)
        case Way.NEW_THEN_CANCELLED:
            return _new(new), cancelled
        case Way.NEW_THEN_CHANGED:
            return _new(new), _changed(old, new)


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
