"""Whatever a booking system answers is read as it stands, or is trouble; above all, a bent reply is
never taken for "no such booking", which could tell a patient that a visit is cancelled."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from fetcher.answers import CallFailed, FetchRetryReason, Timeslot
from fetcher.bookings_client import BookingsClient
from fetcher.crm_scheduling import SERVICE_DOMAIN
from fetcher.platform import HttpReply
from fetcher.settings import UNKNOWN_BOOKING_FAULT
from sandbox.faults import BookingFault
from sandbox.timeslots import render_reply, with_quirks
from shared.booking.messages import FetchedBooking
from shared.booking.times import is_wall_time
from shared.riv.soap import fault
from tests.booking_samples import BOOKING, NOON, PATIENT, reply, response
from tests.mutations import bend, spoil, tags

pytestmark = pytest.mark.slow

UNKNOWN = re.compile(UNKNOWN_BOOKING_FAULT)
FIELDS = {
    "startTimeInclusive": "20261203090000",
    "healthcare_facility": BOOKING.logical_address,
    "bookingId": BOOKING.booking_id,
    "subject_of_care": PATIENT,
    "purpose": "<article><para>Välkommen &amp; in</para></article>",
    "isInvitation": "true",
}
CORPUS = [
    reply(),
    response(""),
    fault("Server", "Unknown booking B-1"),
    fault("Client", "VP004 no logical address"),
    *(render_reply(with_quirks(FIELDS, {quirk})) for quirk in BookingFault),
    render_reply(dict.fromkeys(FIELDS, "")),
]
PIECES = tags(reply(), fault("Server", "x"), render_reply(FIELDS))
TAG = re.compile(r"\{.*\}(timeslotDetail|Fault)")


class SaysWhatItIsTold:
    """The platform: one reply to every call."""

    def __init__(self, answer: HttpReply) -> None:
        self.answer = answer

    def post(self, _body: bytes, _headers: object) -> HttpReply:
        return self.answer


CLIENT = BookingsClient(
    SaysWhatItIsTold(HttpReply(200, b"", None)),  # type: ignore[arg-type]
    consumer="",
    unknown_booking=UNKNOWN,
    max_reply_bytes=100_000,
    clock=lambda: NOON,
)


def asked(content: bytes, status: int, encoding: str | None) -> Timeslot | CallFailed | None:
    try:
        return CLIENT._read(HttpReply(status, content, encoding), "SE1")
    except CallFailed as trouble:
        return trouble


STATUS = st.sampled_from([200, 200, 500])
ENCODING = st.sampled_from([None, None, "utf-8", "utf-16", "iso-8859-1", "klingon"])


@settings(max_examples=600, deadline=1000)
@given(st.sampled_from(CORPUS), st.integers(0, 2**32), st.integers(0, 6), STATUS)
def test_bent_replies_are_read_or_trouble(
    document: bytes, seed: int, times: int, status: int
) -> None:
    content = bend(document, seed, times)
    assert_sound(content, asked(content, status, None))


@settings(max_examples=300, deadline=1000)
@given(st.sampled_from(CORPUS), st.integers(0, 2**32), st.integers(1, 4), STATUS, ENCODING)
def test_spoilt_replies_are_read_or_trouble(
    document: bytes, seed: int, times: int, status: int, encoding: str | None
) -> None:
    content = spoil(document, PIECES, seed, times)
    assert_sound(content, asked(content, status, encoding), encoding)


def assert_sound(
    content: bytes, read: Timeslot | CallFailed | None, encoding: str | None = None
) -> None:
    match read:
        case CallFailed() as trouble:
            assert trouble.reason in FetchRetryReason
            assert PATIENT not in str(trouble)
        case None:
            assert says_that_there_is_none(content, encoding)
        case timeslot:
            assert_can_be_passed_on(timeslot)


def says_that_there_is_none(content: bytes, encoding: str | None) -> bool:
    """By a plain reading: a response without a timeslot that says anything, or the Fault for it."""
    root = etree.fromstring(
        content, etree.XMLParser(encoding=encoding, remove_comments=True, remove_pis=True)
    )
    (body,) = root.find("{*}Body")
    if etree.QName(body).localname == "Fault":
        return UNKNOWN.search(body.findtext("faultstring") or "") is not None
    slots = [one for one in body if etree.QName(one).localname == "timeslotDetail"]
    return not any("".join(one.itertext()).strip() for one in slots)


def assert_can_be_passed_on(timeslot: Timeslot) -> None:
    """Times are times, an identity is there, and all of it survives the queue."""
    details = timeslot.details
    assert timeslot.patient or details.unit or timeslot.booking_id
    for time in (details.starts, details.ends):
        assert not time or is_wall_time(time)
    fetched = FetchedBooking(
        notification_id="n",
        received_at=NOON,
        change_id="c",
        booking=BOOKING,
        deleted=False,
        service_domain=SERVICE_DOMAIN,
        fetched_at=NOON,
        details=details,
    )
    assert FetchedBooking.decode(fetched.encode()) == fetched


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=200)


@settings(max_examples=200, deadline=1000)
@given(TEXT, TEXT)
@example("Booking not found", "Server")
def test_any_fault_is_no_booking_or_trouble_without_its_words(text: str, code: str) -> None:
    clean = "".join(char for char in text if char.isprintable())
    content = fault("Server", clean).replace(b"soap:Server", f"soap:{xml(code)}".encode())
    match asked(content, 500, "utf-8"):
        case CallFailed() as trouble:
            assert re.fullmatch(r"Fault( [A-Za-z.]{1,60})?( VP\d{3})?|not .+", str(trouble))
        case found:
            assert found is None
            assert UNKNOWN.search(clean)


def xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@settings(max_examples=100, deadline=1000)
@given(st.binary(max_size=500), st.sampled_from([200, 500]))
def test_any_bytes_are_trouble(content: bytes, status: int) -> None:
    assert isinstance(asked(content, status, None), CallFailed)
