"""From the element `ProcessNotification` to engagements: tolerant of form, strict on content.

Any order, prefixes, white space, foreign elements and empty optional elements are taken. What is
mandatory must stand there once, hold something, and not be longer than the index lets through
(docs/domain.md, "An engagement"). Refusals name the element and its place, never its value.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

from shared.base.ids import is_person_number
from shared.booking.messages import Engagement
from shared.booking.times import is_wall_time
from shared.riv.namespaces import ENGAGEMENT_INDEX, PROCESS_NOTIFICATION
from shared.riv.xml import Element

MAX_TRANSACTIONS = 1000

_CHANGEABLE = "most_recent_content"
_TRANSACTION = f"{{{PROCESS_NOTIFICATION}}}engagementTransaction"
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class Unacceptable(ValueError):
    """The request can never be taken. The text names the element at fault and what is wrong."""


class TooMany(Unacceptable):
    """More transactions than one request may hold."""


class _Rule(NamedTuple):
    """What the text of one element of an engagement must be, and where we keep it."""

    field: str
    longest: int
    mandatory: bool = True
    holds: Callable[[str], bool] = bool
    kind: str = "text"


_RULES = {
    "registeredResidentIdentification": _Rule(
        "patient", 32, holds=is_person_number, kind="a person number of 12 characters"
    ),
    "serviceDomain": _Rule("service_domain", 255),
    "categorization": _Rule("categorization", 255),
    "logicalAddress": _Rule("logical_address", 64),
    "businessObjectInstanceIdentifier": _Rule("booking_id", 128),
    "clinicalProcessInterestId": _Rule("clinical_process_interest_id", 128),
    "sourceSystem": _Rule("source_system", 64),
    "dataController": _Rule("data_controller", 64),
    "owner": _Rule("owner", 64, mandatory=False),
    "mostRecentContent": _Rule(
        _CHANGEABLE,
        14,
        mandatory=False,
        holds=is_wall_time,
        kind="a time of the form YYYYMMDDhhmmss",
    ),
}
_MANDATORY = tuple((name, rule) for name, rule in _RULES.items() if rule.mandatory)
_OPTIONAL = tuple((name, rule) for name, rule in _RULES.items() if not rule.mandatory)
_NAMES = {f"{{{ENGAGEMENT_INDEX}}}{name}": name for name in (*_RULES, "deleteFlag", "engagement")}

#: All that names an engagement: `mostRecentContent` alone can change in place.
_key_of = attrgetter(*(rule.field for rule in _RULES.values() if rule.field != _CHANGEABLE))


def read_engagements(notification: Element) -> tuple[Engagement, ...]:
    """Every engagement of the request, in its order. Raises `Unacceptable`, or of it `TooMany`."""
    transactions = notification.findall(_TRANSACTION)
    if not transactions:
        raise Unacceptable("engagementTransaction is missing")
    if len(transactions) > MAX_TRANSACTIONS:
        raise TooMany(
            f"engagementTransaction stands {len(transactions)} times,"
            f" at most {MAX_TRANSACTIONS} are taken"
        )
    engagements = tuple(
        _engagement(transaction, f"engagementTransaction[{number}]")
        for number, transaction in enumerate(transactions, start=1)
    )
    _demand_distinct(engagements)
    return engagements


def _engagement(transaction: Element, place: str) -> Engagement:
    parts = _children(transaction, place)
    deleted = _BOOLEANS.get(_text(parts, "deleteFlag", place))
    if deleted is None:
        raise Unacceptable(f"{place}/deleteFlag is not a boolean")
    if "engagement" not in parts:
        raise Unacceptable(f"{place}/engagement is missing")
    place = f"{place}/engagement"
    return Engagement(deleted=deleted, **_values(_children(parts["engagement"], place), place))


def _values(elements: dict[str, Element], place: str) -> dict[str, str]:
    """The texts of an engagement by our field names. Empty optional elements are absent ones."""
    values = {
        rule.field: _checked(name, rule, _text(elements, name, place), place)
        for name, rule in _MANDATORY
    }
    for name, rule in _OPTIONAL:
        if name in elements and (text := _text(elements, name, place, empty_ok=True)):
            values[rule.field] = _checked(name, rule, text, place)
    return values


def _checked(name: str, rule: _Rule, text: str, place: str) -> str:
    if len(text) > rule.longest:
        raise Unacceptable(f"{place}/{name} is longer than {rule.longest} characters")
    if not rule.holds(text):
        raise Unacceptable(f"{place}/{name} is not {rule.kind}")
    return text


def _children(parent: Element, place: str) -> dict[str, Element]:
    """The children we know, by local name; all others are somebody else's."""
    found: dict[str, Element] = {}
    for child in parent:
        name = _NAMES.get(child.tag)
        if name is None:
            continue
        if name in found:
            raise Unacceptable(f"{place}/{name} stands twice")
        found[name] = child
    return found


def _text(elements: dict[str, Element], name: str, place: str, *, empty_ok: bool = False) -> str:
    element = elements.get(name)
    if element is None:
        raise Unacceptable(f"{place}/{name} is missing")
    if len(element):
        raise Unacceptable(f"{place}/{name} holds elements, not text")
    text = (element.text or "").strip()
    if not text and not empty_ok:
        raise Unacceptable(f"{place}/{name} is empty")
    return text


def _demand_distinct(engagements: tuple[Engagement, ...]) -> None:
    """Keys are compared as written, as the index compares them.

    Comparing HSA-ids without regard to case here could only refuse, for good, a request that the
    index considers right.
    """
    first_with: dict[tuple[str, ...], int] = {}
    for number, engagement in enumerate(engagements, start=1):
        first = first_with.setdefault(_key_of(engagement), number)
        if first != number:
            raise Unacceptable(
                f"engagementTransaction[{number}]/engagement has the key of"
                f" engagementTransaction[{first}]"
            )
