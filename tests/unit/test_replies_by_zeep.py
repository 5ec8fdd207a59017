"""What we read from replies and write in requests is what zeep makes of our WSDL.

zeep knows the contract and nothing of us. Where we read a reply otherwise on purpose, the table of
differences says why.
"""

import re
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from fetcher.answers import CallFailed, Timeslot
from fetcher.booking_replies import TIMESLOT_ELEMENTS, open_reply, timeslot_of
from fetcher.booking_requests import request_about
from fetcher.contract import REQUEST_FILE, GetBookingDetails, request_template
from shared.booking.times import is_wall_time
from tests.booking_samples import BOOKING, TIMESLOT, reply
from tests.mutations import bend, spoil
from tests.unit.test_reply_fuzz import CORPUS, PIECES

pytestmark = pytest.mark.slow

CONTRACT = GetBookingDetails()
MAX_BYTES = 100_000

#: The fields of what we read, by the names of the contract.
DETAILS = {
    "startTimeInclusive": "starts",
    "endTimeExclusive": "ends",
    "healthcare_facility": "unit",
    "performer": "performer",
    "purpose": "purpose",
    "reason": "reason",
    "resourceName": "resource_name",
    "healthcare_facility_name": "unit_name",
    "performerName": "performer_name",
    "timeTypeName": "time_type_name",
    "timeTypeID": "time_type_id",
    "careTypeName": "care_type_name",
    "careTypeID": "care_type_id",
    "cancel_booking_allowed": "cancel_allowed",
    "rebooking_allowed": "rebook_allowed",
    "message_allowed": "message_allowed",
    "isInvitation": "is_call_letter",
}
BOOLEANS = ["true", "false", "0", "1"]
#: A timeslot without a word: producers of version 1.0 have bookings only, and do not say so.
NOTHING: dict[str, object] = {"isInvitation": False}
FLAGS = {"cancel_booking_allowed", "rebooking_allowed", "message_allowed", "isInvitation"}


def fields_of(timeslot: Timeslot) -> dict[str, object]:
    """By the names of the contract; without those that are absent."""
    fields = {name: getattr(timeslot.details, field) for name, field in DETAILS.items()}
    fields |= {"subject_of_care": timeslot.patient, "bookingId": timeslot.booking_id}
    return {name: value for name, value in fields.items() if value not in ("", None)}


def fields_by_zeep(timeslot: etree._Element) -> dict[str, object]:
    value: Any = CONTRACT.read(timeslot)
    fields = {name: getattr(value, name) for name in (*DETAILS, "subject_of_care", "bookingId")}
    return NOTHING | {name: each for name, each in fields.items() if each not in ("", None)}


def timeslot_in(content: bytes) -> etree._Element | None:
    body = open_reply(content, max_bytes=MAX_BYTES, encoding=None)
    return next((one for one in body if etree.QName(one).localname == "timeslotDetail"), None)


def read(content: bytes) -> dict[str, object] | None:
    """Raises `CallFailed`."""
    timeslot = timeslot_of(open_reply(content, max_bytes=MAX_BYTES, encoding=None))
    return fields_of(timeslot) if timeslot else None


def in_its_order(timeslot: etree._Element) -> etree._Element:
    """The first of each element that the contract names, trimmed, in its order and without others.

    zeep takes all others for what follows the timeslot, and leaves out what is not in order.
    """
    ordered = etree.Element(timeslot.tag)
    for name in CONTRACT.names:
        if (text := timeslot.findtext(name)) is not None:
            etree.SubElement(ordered, name).text = text.strip()
    return ordered


def assert_read_alike(content: bytes) -> None:
    try:
        ours = read(content)
    except CallFailed:
        return  # we are the stricter ones
    timeslot = timeslot_in(content)
    if timeslot is None:
        assert ours is None
        return
    element = in_its_order(timeslot)
    theirs = fields_by_zeep(element)
    if ours is None:
        assert theirs == NOTHING
        return
    for name in different_on_purpose(element):
        theirs.pop(name, None)
        ours.pop(name, None)
    assert ours == theirs


def different_on_purpose(element: etree._Element) -> set[str]:
    """Flags that no boolean of XML is, and an end that is no time: see `DIFFERENCES`."""
    says = {TIMESLOT_ELEMENTS[str(child.tag)]: child.text or "" for child in element}
    odd = {name for name in FLAGS & says.keys() if says[name] not in BOOLEANS}
    return odd if is_wall_time(says.get("endTimeExclusive", "")) else odd | {"endTimeExclusive"}


def test_we_name_the_elements_of_the_contract() -> None:
    assert tuple(TIMESLOT_ELEMENTS) == CONTRACT.names


def test_a_full_reply_as_it_stands() -> None:
    ours = read(reply())
    assert ours == by_zeep_as_it_stands(reply())
    assert ours is not None
    assert ours.keys() == {*DETAILS, "subject_of_care", "bookingId"}


def by_zeep_as_it_stands(content: bytes) -> dict[str, object]:
    timeslot = timeslot_in(content)
    assert timeslot is not None
    return fields_by_zeep(timeslot)


@pytest.mark.parametrize("content", CORPUS, ids=range(len(CORPUS)))
def test_the_corpus(content: bytes) -> None:
    assert_read_alike(content)


@settings(max_examples=300, deadline=1000)
@given(st.sampled_from(CORPUS), st.integers(0, 2**32), st.integers(0, 6))
def test_bent_replies(document: bytes, seed: int, times: int) -> None:
    assert_read_alike(bend(document, seed, times))


@settings(max_examples=300, deadline=1000)
@given(st.sampled_from(CORPUS), st.integers(0, 2**32), st.integers(1, 4))
def test_spoilt_replies(document: bytes, seed: int, times: int) -> None:
    assert_read_alike(spoil(document, PIECES, seed, times))


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=40
).map(str.strip)
TIMES = {"startTimeInclusive", "endTimeExclusive"}


@st.composite
def conforming(draw: st.DrawFn) -> bytes:
    """A reply by the contract: its order, some elements left out, any text where text may be."""
    timeslot = ""
    for tag, name, text in re.findall(r"<(\w:(\w+))>([^<]*)<", TIMESLOT):
        if name in FLAGS:
            text = draw(st.sampled_from(BOOLEANS))
        elif name not in TIMES:
            text = escape(draw(TEXT.filter(bool)))
        if name == "healthcare_facility" or draw(st.booleans()):
            timeslot += f"<{tag}>{text}</{tag}>"
    return reply(timeslot)


@settings(max_examples=300, deadline=1000)
@given(conforming())
def test_whatever_the_contract_allows(content: bytes) -> None:
    assert read(content) == by_zeep_as_it_stands(content)


#: What a source says, the element, what zeep reads of it and what we read.
DIFFERENCES = {
    "a capital letter is no reason to leave out a flag, which zeep reads as false": (
        "<c:rebooking_allowed>True</c:rebooking_allowed>",
        ("rebooking_allowed", False, True),
    ),
    "a word that is no boolean says nothing, which zeep reads as false": (
        "<c:rebooking_allowed>kanske</c:rebooking_allowed>",
        ("rebooking_allowed", False, None),
    ),
    "blanks around a text mean nothing": (
        "<c:reason> Huvudvärk\n</c:reason>",
        ("reason", " Huvudvärk\n", "Huvudvärk"),
    ),
    "an end that is no time is left out": (
        "<c:endTimeExclusive>soon</c:endTimeExclusive>",
        ("endTimeExclusive", "soon", None),
    ),
}


@pytest.mark.parametrize(("says", "expected"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_where_we_read_otherwise(says: str, expected: tuple[str, object, object]) -> None:
    name, theirs, ours = expected
    unit = "<c:healthcare_facility>SE1</c:healthcare_facility>"
    content = reply(says + unit if name in TIMES else unit + says)
    assert by_zeep_as_it_stands(content).get(name) == theirs
    found = read(content)
    assert found is not None
    assert found.get(name) == ours


def test_the_request_is_the_one_that_zeep_writes() -> None:
    assert REQUEST_FILE.read_bytes() == request_template(), "run `python -m fetcher.contract`"


ANY = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=64)


@settings(max_examples=300, deadline=1000)
@given(ANY, ANY)
def test_any_booking_is_asked_about_as_zeep_would(unit: str, booking_id: str) -> None:
    booking = BOOKING.model_copy(update={"logical_address": unit, "booking_id": booking_id})
    try:
        theirs = CONTRACT.request(unit=unit, patient=booking.patient, booking_id=booking_id)
    except ValueError:  # XML holds no such character
        with pytest.raises(ValueError, match="XML"):
            request_about(booking)
    else:
        assert request_about(booking) == theirs
