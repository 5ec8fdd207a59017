"""What of a booking a patient would notice. Everything else is technical and says nothing new."""

from dataclasses import dataclass
from enum import StrEnum

from composer import docbook
from composer.dates import when
from shared.booking.identity import hsa_key
from shared.booking.messages import BookingDetails

#: Far above any real name or reason.
_LONGEST_LINE = 500


class Aspect(StrEnum):
    """What may differ between two states of a booking, in the order in which it is told."""

    FORM = "form"  # a call letter, or a booking
    TIME = "time"
    UNIT = "unit"
    WHO = "who"
    ACTIONS = "actions"
    REASON = "reason"
    PURPOSE = "purpose"


@dataclass(frozen=True, slots=True)
class Noticeable:
    """A booking as its patient sees it."""

    is_call: bool
    time: str  # "" for an open call
    unit: str
    who: str
    can_rebook: bool
    can_cancel: bool
    reason: str


def noticeable(details: BookingDetails) -> Noticeable:
    return Noticeable(
        is_call=details.is_call_letter,
        time=when(details.starts, details.ends) if details.starts else "",
        unit=unit_of(details),
        who=who_of(details),
        can_rebook=bool(details.rebook_allowed),
        can_cancel=bool(details.cancel_allowed),
        reason=_line(details.reason),
    )


def unit_of(details: BookingDetails) -> str:
    """The unit's name; its HSA-id for want of one, since a patient must know where."""
    return _line(details.unit_name) or hsa_key(details.unit)


def who_of(details: BookingDetails) -> str:
    """docs/domain.md, "The inbox message": performerName, else resourceName, else careTypeName."""
    names = (details.performer_name, details.resource_name, details.care_type_name)
    return next((line for name in names if (line := _line(name))), "")


def changed_aspects(old: BookingDetails, new: BookingDetails) -> tuple[Aspect, ...]:
    """What a patient who was told `old` would notice in `new`."""
    before, after = noticeable(old), noticeable(new)
    differs = {
        Aspect.FORM: before.is_call != after.is_call,
        Aspect.TIME: before.time != after.time,
        Aspect.UNIT: before.unit != after.unit,
        Aspect.WHO: before.who != after.who,
        Aspect.ACTIONS: _actions(before) != _actions(after),
        Aspect.REASON: before.reason != after.reason,
        Aspect.PURPOSE: _purpose_differs(old.purpose, new.purpose),
    }
    return tuple(aspect for aspect, is_so in differs.items() if is_so)


def _actions(state: Noticeable) -> tuple[bool, bool]:
    return state.can_rebook, state.can_cancel


def _purpose_differs(old: str, new: str) -> bool:
    """Compared as rendered: other markup around the same text is nothing a patient sees."""
    return old != new and docbook.read(old) != docbook.read(new)


def _line(text: str) -> str:
    """One printable line of bearable length, whatever the booking system sent."""
    line = " ".join(docbook.printable(text).split())
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"
