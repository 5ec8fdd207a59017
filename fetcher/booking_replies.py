"""Parses replies to GetBookingDetails, as tolerant of form as real producers need.

Rules and quirks: docs/domain.md, "The reply" and "Producers' quirks". Elements may come in any
order, empty elements count as absent, the flags may be missing, and the reply about an unknown
booking has no `timeslotDetail`. Tests compare what is read with what zeep reads by the contract.
"""

import re
from collections.abc import Callable, Mapping

from lxml import etree

from fetcher.answers import CallFailed, FetchRetryReason, Timeslot
from shared.booking.messages import BookingDetails
from shared.booking.times import is_wall_time
from shared.riv.namespaces import GET_BOOKING_DETAILS, SCHEDULING, SCHEDULING_1_1
from shared.riv.soap import NotSoap, SoapFault, parse_envelope, parse_fault
from shared.riv.xml import MalformedXml, names_its_encoding, parse_xml, without_forbidden

_RESPONSE = f"{{{GET_BOOKING_DETAILS}}}GetBookingDetailsResponse"
_TIMESLOT = f"{{{GET_BOOKING_DETAILS}}}timeslotDetail"
_SUBJECT_OF_CARE = f"{{{SCHEDULING}}}subject_of_care"
_BOOKING_ID = f"{{{SCHEDULING}}}bookingId"
_FACILITY = f"{{{SCHEDULING}}}healthcare_facility"

#: The elements of a timeslot in the order of the contract, with their local names.
TIMESLOT_ELEMENTS = {
    **{
        f"{{{SCHEDULING}}}{name}": name
        for name in (
            *("startTimeInclusive", "endTimeExclusive", "healthcare_facility", "performer"),
            *("bookingId", "subject_of_care", "purpose", "reason", "resourceName"),
            *("healthcare_facility_name", "performerName", "resourceID", "timeTypeName"),
            *("timeTypeID", "careTypeName", "careTypeID", "cancel_booking_allowed"),
            *("rebooking_allowed", "message_allowed"),
        )
    },
    f"{{{SCHEDULING_1_1}}}isInvitation": "isInvitation",
}

#: Texts are cut there: far above any real one, and what a queue message may hold.
_LONGEST_PURPOSE = 1_000_000
_LONGEST_TEXT = 10_000

#: The trimmed texts of a timeslot's elements, by their local names.
_Texts = Mapping[str, str]

_XML_BLANKS = " \t\r\n"

_FLAGS = {"true": True, "1": True, "false": False, "0": False}

#: The longest text of a Fault that is searched: a pattern may take quadratic time.
_LONGEST_FAULT = 1000
_FAULT_CODE = re.compile(r"[A-Za-z.]{1,60}")
#: Faults of the national platform begin with such a code ("VP004 …").
_PLATFORM_CODE = re.compile(r"\bVP\d{3}\b")


def open_reply(
    content: bytes,
    *,
    max_bytes: int,
    encoding: str | None,
    on_forbidden: Callable[[], None] = lambda: None,
) -> etree._Element:
    """The element in the body of the SOAP reply `content`, which may be a Fault.

    `encoding` is that of HTTP; the encoding that the document declares overrides it. `on_forbidden`
    is called when it could be read only without characters that XML forbids. Raises `CallFailed`
    when it is not SOAP, not well-formed to its end, or too large.
    """
    if names_its_encoding(content):
        encoding = None
    try:
        root = _parsed(content, max_bytes, encoding, on_forbidden)
        return parse_envelope(root).body
    except (MalformedXml, NotSoap) as error:
        raise _unreadable(str(error)) from None


def _parsed(
    content: bytes, max_bytes: int, encoding: str | None, on_forbidden: Callable[[], None]
) -> etree._Element:
    """One control character in a text that was pasted from somewhere must not cost the patient the
    time and the place. A sound reply is not searched for them."""
    try:
        return parse_xml(content, max_bytes=max_bytes, encoding=encoding)
    except MalformedXml:
        legal = None if len(content) > max_bytes else without_forbidden(content, encoding=encoding)
        if legal is None:
            raise
    root = parse_xml(legal, max_bytes=len(legal), encoding="utf-8")
    on_forbidden()
    return root


def raise_for_fault(body: etree._Element, unknown_booking: re.Pattern[str]) -> bool:
    """Whether `body` is the Fault by which a source says that it has no such booking.

    Raises `CallFailed` for any other Fault; False when `body` is none.
    """
    fault = parse_fault(body)
    if fault is None:
        return False
    text = fault.text[:_LONGEST_FAULT]
    platform_code = _PLATFORM_CODE.search(text)
    if platform_code is None and unknown_booking.search(text):
        return True
    code = _FAULT_CODE.fullmatch(fault.code)
    parts = ("Fault", *(found.group() for found in (code, platform_code) if found))
    raise CallFailed(FetchRetryReason.FAULT, " ".join(parts), source_works=_is_our_fault(fault))


def _is_our_fault(fault: SoapFault) -> bool:
    """Whether a Fault concerns this request only: after a Client Fault the source works."""
    return fault.code.partition(".")[0] == "Client"


def timeslot_of(body: etree._Element) -> Timeslot | None:
    """The timeslot of the response `body`; None when the response holds no booking.

    Raises `CallFailed` for any other `body`: mistaken for "no such booking", it could lead to a
    false cancellation. And when the timeslot says something that we do not understand and cannot
    leave out.
    """
    element = _timeslot_element(body)
    if element is None:
        return None
    says = _texts_of(element)
    timeslot = Timeslot(_details(says), _text(says, "subject_of_care"), _text(says, "bookingId"))
    if not (timeslot.patient or timeslot.details.unit or timeslot.booking_id):
        raise _unreadable("the timeslot names neither patient, unit nor booking")
    return timeslot


def _timeslot_element(body: etree._Element) -> etree._Element | None:
    if body.tag != _RESPONSE:
        raise _unreadable("the reply is not a GetBookingDetailsResponse")
    timeslots = [child for child in body if etree.QName(child).localname == "timeslotDetail"]
    if any(timeslot.tag != _TIMESLOT for timeslot in timeslots):
        raise _unreadable("timeslotDetail is not the one that the contract has")
    if len(timeslots) > 1:
        about = tuple(map(_identities, timeslots))
        raise _unreadable("there are several timeslotDetail", about)
    return timeslots[0] if timeslots and _says_something(timeslots[0]) else None


def _identities(timeslot: etree._Element) -> Timeslot:
    """Whose and which booking it is, and where; nothing else of it."""
    names = (_SUBJECT_OF_CARE, _BOOKING_ID, _FACILITY)
    patient, booking_id, unit = ((timeslot.findtext(name) or "").strip() for name in names)
    return Timeslot(BookingDetails(unit=unit), patient, booking_id)


def _says_something(timeslot: etree._Element) -> bool:
    return any(str(text).strip(_XML_BLANKS) for text in timeslot.itertext())


def _texts_of(timeslot: etree._Element) -> _Texts:
    """What the elements say that the contract names; of a repeated element, the first."""
    says: dict[str, str] = {}
    for child in timeslot:
        name = TIMESLOT_ELEMENTS.get(child.tag)
        if name is not None and name not in says:
            says[name] = (child.text or "").strip()
    if not says:
        raise _unreadable("the timeslot holds nothing that the contract names")
    return says


def _details(says: _Texts) -> BookingDetails:
    return BookingDetails(
        starts=_start_time(says),
        ends=_end_time(says),
        unit=_text(says, "healthcare_facility"),
        unit_name=_text(says, "healthcare_facility_name"),
        performer=_text(says, "performer"),
        performer_name=_text(says, "performerName"),
        resource_name=_text(says, "resourceName"),
        time_type_id=_text(says, "timeTypeID"),
        time_type_name=_text(says, "timeTypeName"),
        care_type_id=_text(says, "careTypeID"),
        care_type_name=_text(says, "careTypeName"),
        purpose=_text(says, "purpose", _LONGEST_PURPOSE),
        reason=_text(says, "reason"),
        cancel_allowed=_flag(says, "cancel_booking_allowed"),
        rebook_allowed=_flag(says, "rebooking_allowed"),
        message_allowed=_flag(says, "message_allowed"),
        is_call_letter=_is_call_letter(says),
    )


def _text(says: _Texts, name: str, longest: int = _LONGEST_TEXT) -> str:
    return says.get(name, "")[:longest]


def _start_time(says: _Texts) -> str:
    """The start. If it cannot be read the call failed: without it a timed call would look open."""
    starts = _text(says, "startTimeInclusive")
    if starts and not is_wall_time(starts):
        raise _unreadable("startTimeInclusive is not a time")
    return starts


def _end_time(says: _Texts) -> str:
    ends = _text(says, "endTimeExclusive")
    return ends if is_wall_time(ends) else ""


def _flag(says: _Texts, name: str) -> bool | None:
    """The flag; None when it is absent or not understood."""
    return _FLAGS.get(says.get(name, "").lower())


def _is_call_letter(says: _Texts) -> bool:
    """Whether it is a call letter. Absent means no: producers of version 1.0 have bookings only."""
    text = says.get("isInvitation", "").lower()
    if text and text not in _FLAGS:
        raise _unreadable("isInvitation is not a boolean")
    return _FLAGS.get(text, False)


def _unreadable(what: str, about: tuple[Timeslot, ...] = ()) -> CallFailed:
    """One patient's reply that nobody can read says nothing against the source."""
    return CallFailed(FetchRetryReason.UNREADABLE, what, source_works=True, about=about)
