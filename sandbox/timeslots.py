"""The reply about one booking: the fields of `TimeslotType`, and quirks of producers.

Field names are those of the official schema (crm:scheduling 1.1). A field that is absent or null is
left out of the reply; "" becomes an empty element.
"""

import re
from collections.abc import Collection, Mapping
from xml.sax.saxutils import escape

from sandbox.faults import BookingFault
from shared.riv.namespaces import GET_BOOKING_DETAILS, SCHEDULING, SCHEDULING_1_1, SOAP_ENVELOPE

ALLOWED_FLAGS = ("cancel_booking_allowed", "rebooking_allowed", "message_allowed")
FLAGS = (*ALLOWED_FLAGS, "isInvitation")

#: In the order of the schema.
FIELDS = (
    "startTimeInclusive",
    "endTimeExclusive",
    "healthcare_facility",
    "performer",
    "bookingId",
    "subject_of_care",
    "purpose",
    "reason",
    "resourceName",
    "healthcare_facility_name",
    "performerName",
    "resourceID",
    "timeTypeName",
    "timeTypeID",
    "careTypeName",
    "careTypeID",
    *FLAGS,
)
# Free text: these may be empty without breaking the schema.
_MAY_BE_EMPTY = frozenset(FIELDS[6:16]) | {"performer"}

_PREFIXES = {"isInvitation": "s11"}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Fictional persons.
_STRANGERS = ("191212121212", "201212121212")

_HEAD = (
    f'<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="{SOAP_ENVELOPE}">'
    f'<soap:Body><r:GetBookingDetailsResponse xmlns:r="{GET_BOOKING_DETAILS}"'
    f' xmlns:s="{SCHEDULING}" xmlns:s11="{SCHEDULING_1_1}">'
)
_TAIL = "</r:GetBookingDetailsResponse></soap:Body></soap:Envelope>"

Fields = Mapping[str, str]


class BadField(ValueError):
    """A field of a booking is unknown, or its value is not allowed."""


def checked_fields(said: Mapping[str, object]) -> dict[str, str]:
    """The fields of a booking as texts of elements. Raises `BadField`, naming the field."""
    return {name: _text(name, value) for name, value in said.items() if value is not None}


def _text(name: str, value: object) -> str:
    if name not in FIELDS:
        raise BadField(f"{name}: not a field of TimeslotType, which has {', '.join(FIELDS)}")
    if name in FLAGS:
        text = str(value).lower()
        if text not in ("true", "false", ""):
            raise BadField(f"{name}: not true or false")
        return text
    if not isinstance(value, str):
        raise BadField(f"{name}: not a text")
    if _NOT_XML.search(value):
        raise BadField(f"{name}: holds a character that XML has no room for")
    return value


def render_reply(fields: Fields | None) -> bytes:
    """A whole SOAP reply about the booking; without a timeslot for None."""
    if fields is None:
        return f"{_HEAD}{_TAIL}".encode()
    elements = (_element(name, fields[name]) for name in FIELDS if name in fields)
    return f"{_HEAD}<r:timeslotDetail>{''.join(elements)}</r:timeslotDetail>{_TAIL}".encode()


def _element(name: str, text: str) -> str:
    tag = f"{_PREFIXES.get(name, 's')}:{name}"
    return f"<{tag}>{escape(text)}</{tag}>" if text else f"<{tag}/>"


def with_quirks(fields: Fields, quirks: Collection[str]) -> dict[str, str]:
    """The booking as a producer with these quirks would return it."""
    quirky = dict(fields)
    for quirk in BookingFault:
        if quirk in quirks and quirk in _QUIRKS:
            quirky = _QUIRKS[quirk](quirky)
    return quirky


def _wrong_patient(fields: Fields) -> dict[str, str]:
    stranger = next(one for one in _STRANGERS if one != fields.get("subject_of_care"))
    return {**fields, "subject_of_care": stranger}


def _wrong_unit(fields: Fields) -> dict[str, str]:
    return {**fields, "healthcare_facility": f"{fields['healthcare_facility']}-OTHER"}


def _wrong_booking(fields: Fields) -> dict[str, str]:
    return {**fields, "bookingId": f"{fields['bookingId']}-other"}


def _empty_elements(fields: Fields) -> dict[str, str]:
    return {**dict.fromkeys(_MAY_BE_EMPTY, ""), **fields}


def _no_allowed_flags(fields: Fields) -> dict[str, str]:
    return {name: text for name, text in fields.items() if name not in ALLOWED_FLAGS}


def _version_1_0(fields: Fields) -> dict[str, str]:
    return {name: text for name, text in fields.items() if name != "isInvitation"}


def _performer_type(fields: Fields) -> dict[str, str]:
    return {**fields, "performer": "Läkare"}


def _hsa_case(fields: Fields) -> dict[str, str]:
    ids = {name: fields[name].swapcase() for name in ("healthcare_facility", "performer")
           if name in fields}  # fmt: skip
    return {**fields, **ids}


_QUIRKS = {
    BookingFault.WRONG_PATIENT: _wrong_patient,
    BookingFault.WRONG_UNIT: _wrong_unit,
    BookingFault.WRONG_BOOKING: _wrong_booking,
    BookingFault.EMPTY_ELEMENTS: _empty_elements,
    BookingFault.NO_ALLOWED_FLAGS: _no_allowed_flags,
    BookingFault.VERSION_1_0: _version_1_0,
    BookingFault.PERFORMER_TYPE: _performer_type,
    BookingFault.HSA_CASE: _hsa_case,
}
