"""Parses one `engagementTransaction`: tolerant of form, strict on the elements that we use.

Any order, prefixes, white space and foreign elements are accepted. An element that we use must
occur once, must not be empty, and must not be longer than the index allows (docs/domain.md, "An
engagement"). Other elements are not checked. Errors name the element, never its value.

Ingest parses requests by these rules, and the filter parses again what ingest refused.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from shared.base.ids import is_person_number
from shared.booking.messages import Engagement
from shared.booking.times import is_wall_time
from shared.riv.namespaces import ENGAGEMENT_INDEX
from shared.riv.xml import Element, MalformedXml, parse_xml

_INDEX = f"{{{ENGAGEMENT_INDEX}}}"
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_HSA_ID = re.compile(r"[A-Za-z][0-9A-Za-z_.:-]{0,63}")
_LIKE_A_PERSON = re.compile(
    r"(?<![0-9])(?<!SE)(?:[0-9]{10}|[0-9]{6}[-+][0-9A-Z]{4}|[0-9]{8}[-+]?[0-9A-Z]{4})",
    re.IGNORECASE,
)


class Flaw(StrEnum):
    """What is wrong with an element."""

    MISSING = "missing"
    EMPTY = "empty"
    REPEATED = "repeated"
    NOT_TEXT = "not_text"
    TOO_LONG = "too_long"
    WRONG_FORM = "wrong_form"
    UNREADABLE = "unreadable"  # of a document that is no XML, or that was not kept
    TOO_MANY = "too_many"  # refused engagements in one request: those beyond were not kept


class Unacceptable(ValueError):
    """The engagement cannot be taken. The text names the element at fault, never its value.

    `source_system` and `service_domain` are "" when they could not be read.
    """

    def __init__(
        self,
        element: str,
        flaw: Flaw,
        problem: str,
        *,
        source_system: str = "",
        service_domain: str = "",
    ) -> None:
        super().__init__(f"{element} {problem}")
        self.element = element.rpartition("/")[2]
        self.flaw = flaw
        self.source_system = source_system
        self.service_domain = service_domain


class _Objection(Exception):
    """What is wrong with which element, raised before the source system is known."""

    def __init__(self, element: str, flaw: Flaw, problem: str) -> None:
        super().__init__(element, flaw, problem)
        self.parts = element, flaw, problem


class _Rule(NamedTuple):
    """The rule for the text of one element, and the field that keeps it."""

    field: str
    longest: int
    holds: Callable[[str], bool] = bool
    kind: str = "text"


_RULES = {
    "registeredResidentIdentification": _Rule(
        "patient", 32, is_person_number, "a person number of 12 characters"
    ),
    "serviceDomain": _Rule("service_domain", 255),
    "logicalAddress": _Rule("logical_address", 64, str.isprintable, "an HSA-id"),
    "businessObjectInstanceIdentifier": _Rule("booking_id", 128),
    "sourceSystem": _Rule("source_system", 64, str.isprintable, "an HSA-id"),
}
_RULE_ITEMS = tuple(_RULES.items())
_MOST_RECENT_CONTENT = f"{_INDEX}mostRecentContent"
_USED = {f"{_INDEX}{name}": name for name in _RULES}
_PARTS = {f"{_INDEX}{name}": name for name in ("deleteFlag", "engagement")}


def read_engagement(transaction: Element) -> Engagement:
    """The engagement that an `engagementTransaction` holds. Raises `Unacceptable`."""
    try:
        return _engagement(transaction)
    except _Objection as objection:
        source = _readable(transaction, "sourceSystem")
        raise Unacceptable(
            *objection.parts,
            source_system=source if _may_be_shown(source) else "",
            service_domain=_readable(transaction, "serviceDomain"),
        ) from None


def read_document(document: str) -> Engagement:
    """As `read_engagement`, of an `engagementTransaction` as text. Raises `Unacceptable`."""
    data = document.encode()
    try:
        transaction = parse_xml(data, max_bytes=len(data))
    except MalformedXml:
        raise Unacceptable("engagementTransaction", Flaw.UNREADABLE, "cannot be read") from None
    return read_engagement(transaction)


def _engagement(transaction: Element) -> Engagement:
    parts = _children(transaction, _PARTS, place="")
    deleted = _BOOLEANS.get(_text(parts, "deleteFlag", place=""))
    if deleted is None:
        raise _Objection("deleteFlag", Flaw.WRONG_FORM, "is not a boolean")
    if "engagement" not in parts:
        raise _Objection("engagement", Flaw.MISSING, "is missing")
    engagement = parts["engagement"]
    elements = _children(engagement, _USED, place="engagement/")
    values = {rule.field: _checked(elements, name, rule) for name, rule in _RULE_ITEMS}
    return Engagement(deleted=deleted, most_recent_content=_time_of(engagement), **values)


def _checked(elements: dict[str, Element], name: str, rule: _Rule) -> str:
    text = _text(elements, name, place="engagement/")
    if len(text) > rule.longest:
        problem = f"is longer than {rule.longest} characters"
        raise _Objection(f"engagement/{name}", Flaw.TOO_LONG, problem)
    if not rule.holds(text):
        raise _Objection(f"engagement/{name}", Flaw.WRONG_FORM, f"is not {rule.kind}")
    return text


def _children(parent: Element, names: dict[str, str], *, place: str) -> dict[str, Element]:
    """The children that we use, by local name; all others are ignored."""
    found: dict[str, Element] = {}
    for child in parent:
        name = names.get(child.tag)
        if name is None:
            continue
        if name in found:
            raise _Objection(f"{place}{name}", Flaw.REPEATED, "stands twice")
        found[name] = child
    return found


def _text(elements: dict[str, Element], name: str, *, place: str) -> str:
    element = elements.get(name)
    if element is None:
        raise _Objection(f"{place}{name}", Flaw.MISSING, "is missing")
    if len(element):
        raise _Objection(f"{place}{name}", Flaw.NOT_TEXT, "holds elements, not text")
    text = (element.text or "").strip()
    if not text:
        raise _Objection(f"{place}{name}", Flaw.EMPTY, "is empty")
    return text


def _time_of(engagement: Element) -> str:
    """The first `mostRecentContent`, if it is a time. It only shows when a change is outdated."""
    text = (engagement.findtext(_MOST_RECENT_CONTENT) or "").strip()
    return text if is_wall_time(text) else ""


def _readable(transaction: Element, name: str) -> str:
    """The text of the element `name`, "" when it is absent or ambiguous."""
    elements = transaction.iterfind(f"{_INDEX}engagement/{_INDEX}{name}")
    texts = {"" if len(element) else (element.text or "").strip() for element in elements}
    return texts.pop() if len(texts) == 1 else ""


def _may_be_shown(source_system: str) -> bool:
    """Whether it may be logged as an HSA-id: a bad engagement may hold any value there."""
    return bool(_HSA_ID.fullmatch(source_system)) and not _LIKE_A_PERSON.search(source_system)
