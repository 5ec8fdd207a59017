"""What of a booking a patient would notice. Everything else is technical and says nothing new."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from composer import docbook, richtext
from composer.characters import printable
from composer.dates import when
from composer.names import line, name
from shared.booking.identity import hsa_key
from shared.booking.messages import BookingDetails

_MOST_LINES = 40


class Aspect(StrEnum):
    """What may differ between two states of a booking, in the order in which it is announced."""

    FORM = "form"  # a call letter, or a booking
    TIME = "time"
    UNIT = "unit"
    KIND = "kind"
    WHO = "who"
    ACTIONS = "actions"
    REASON = "reason"
    PURPOSE = "purpose"


class Whom(StrEnum):
    """What the patient meets, by the best that the source says of it."""

    PERFORMER = "performer"
    RESOURCE = "resource"
    CARE = "care"
    NOT_SAID = ""


_BY_PRECISION = list(Whom)


@dataclass(frozen=True, slots=True)
class Noticeable:
    """A booking as its patient sees it."""

    is_call: bool
    time: str  # "" for an open call
    unit: str  # "" when its name is not known
    kind: str  # the kind of visit
    who: str
    whom: Whom  # what `who` names
    can_rebook: bool
    can_cancel: bool
    reason: str  # with its lines


def noticeable(details: BookingDetails) -> Noticeable:
    whom, who = _met(details)
    return Noticeable(
        is_call=details.is_call_letter,
        time=when(details.starts, details.ends) if details.starts else "",
        unit=unit_of(details),
        kind=_name(details.time_type_name),
        who=who,
        whom=whom,
        can_rebook=bool(details.rebook_allowed),
        can_cancel=bool(details.cancel_allowed),
        reason=_lines(details.reason),
    )


def unit_of(details: BookingDetails) -> str:
    """The unit's name; "" when the source gives none, or an HSA-id for it."""
    return _name(details.unit_name)


@lru_cache(1000)  # clinics are few, and so are those who work there
def _name(text: str) -> str:
    return name(text)


def who_of(details: BookingDetails) -> str:
    """docs/domain.md, "The inbox message": performerName, else resourceName, else careTypeName."""
    return _met(details)[1]


def _met(details: BookingDetails) -> tuple[Whom, str]:
    """The care is left out where the kind of visit says the same."""
    if performer := _name(details.performer_name):
        return Whom.PERFORMER, performer
    if resource := _name(details.resource_name):
        return Whom.RESOURCE, resource
    care = _name(details.care_type_name)
    if not care or care.casefold() == _name(details.time_type_name).casefold():
        return Whom.NOT_SAID, ""
    return Whom.CARE, care


def changed_aspects(old: BookingDetails, new: BookingDetails) -> tuple[Aspect, ...]:
    """What a patient who was told `old` would notice in `new`."""
    before, after = noticeable(old), noticeable(new)
    differs = {
        Aspect.FORM: before.is_call != after.is_call,
        Aspect.TIME: before.time != after.time,
        Aspect.UNIT: _place(old) != _place(new),
        Aspect.KIND: before.kind != after.kind,
        Aspect.WHO: before.who != after.who,
        Aspect.ACTIONS: _actions(before) != _actions(after),
        Aspect.REASON: _folded(before.reason) != _folded(after.reason),
        Aspect.PURPOSE: _purpose_differs(old.purpose, new.purpose),
    }
    return tuple(aspect for aspect, is_so in differs.items() if is_so)


def says_less_alone(old: BookingDetails, new: BookingDetails, aspects: tuple[Aspect, ...]) -> bool:
    """Whether all that differs is that `new` leaves something out that `old` said.

    A booking under a new id is often written with fewer texts: that takes nothing back.
    """
    before, after = noticeable(old), noticeable(new)
    left_out = {
        Aspect.KIND: not after.kind,
        Aspect.WHO: _BY_PRECISION.index(after.whom) > _BY_PRECISION.index(before.whom),
        Aspect.REASON: not after.reason,
        Aspect.PURPOSE: not docbook.read(new.purpose),
    }
    return all(left_out.get(aspect, False) for aspect in aspects)


def _place(details: BookingDetails) -> str:
    return unit_of(details) or hsa_key(details.unit)


def _actions(state: Noticeable) -> tuple[bool, bool]:
    return state.can_rebook, state.can_cancel


def _purpose_differs(old: str, new: str) -> bool:
    """Compared as rendered: other markup around the same text is nothing a patient sees, nor are
    lines that break elsewhere."""
    if old == new:
        return False
    before, after = docbook.read(old), docbook.read(new)
    return before != after and _folded(richtext.to_text(before)) != _folded(richtext.to_text(after))


def _folded(text: str) -> str:
    return " ".join(text.split())


def _lines(text: str) -> str:
    """The patient's own lines, one blank line between them at most."""
    lines = [line(each) for each in printable(text).strip().split("\n")]
    kept = [each for number, each in enumerate(lines) if each or lines[number - 1]]
    return "\n".join(kept[:_MOST_LINES])
