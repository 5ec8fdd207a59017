"""What is read from replies, past every quirk of docs/domain.md, "Producers' quirks"."""

import contextlib
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from fetcher.answers import CallFailed, FetchRetryReason, Timeslot
from fetcher.booking_replies import open_reply, raise_for_fault, timeslot_of
from fetcher.bookings_client import BookingsClient
from fetcher.metrics import SourceWatch
from fetcher.platform import HttpReply
from shared.booking.messages import BookingDetails
from shared.riv.soap import fault
from tests.booking_samples import BOOKING, NOON, PATIENT, TIMESLOT, reply, response

MINIMAL = "<c:healthcare_facility>SE1</c:healthcare_facility>"


def read(content: bytes, encoding: str | None = None) -> Timeslot | None:
    return timeslot_of(open_reply(content, max_bytes=100_000, encoding=encoding))


def read_or_refuse(content: bytes) -> None:
    """Fails with whatever else comes out of reading than a timeslot or an unreadable reply."""
    try:
        read(content)
    except CallFailed as error:
        if error.reason is not FetchRetryReason.UNREADABLE:
            raise


def details(timeslot: str) -> BookingDetails:
    found = read(reply(timeslot))
    assert found is not None
    return found.details


def unreadable(content: bytes) -> str:
    with pytest.raises(CallFailed) as caught:
        read(content)
    assert caught.value.reason is FetchRetryReason.UNREADABLE
    assert caught.value.source_works
    return str(caught.value)


def without(*names: str) -> str:
    return re.sub(rf"<\w:({'|'.join(names)})>[^<]*</\w:\1>", "", TIMESLOT)


def test_a_full_reply() -> None:
    assert read(reply()) == Timeslot(
        patient=PATIENT,
        booking_id="B-1",
        details=BookingDetails(
            starts="20261203090000",
            ends="20261203093000",
            unit=BOOKING.logical_address,
            unit_name="Vårdcentralen Åsen",
            performer="SE2321000016-P1",
            performer_name="Doktor Ek",
            resource_name="Rum 4",
            time_type_id="1",
            time_type_name="Besök",
            care_type_id="2",
            care_type_name="Läkare",
            purpose="Välkommen på kontroll.",
            reason="Huvudvärk",
            cancel_allowed=True,
            rebook_allowed=True,
            message_allowed=False,
            is_call_letter=True,
        ),
    )


def shuffled() -> str:
    elements = re.findall(r"<(\w:\w+)>[^<]*</\1>", TIMESLOT)
    parts = [re.search(rf"<{name}>[^<]*</{name}>", TIMESLOT) for name in reversed(elements)]
    return "".join(part.group() for part in parts if part)


def with_foreign_elements() -> str:
    foreign = '<x:extra xmlns:x="urn:x"><x:deep>1</x:deep></x:extra>'
    return foreign + TIMESLOT.replace("<c:purpose>", foreign + "<c:purpose>") + foreign


@pytest.mark.parametrize(
    "same",
    [
        shuffled,
        with_foreign_elements,
        lambda: TIMESLOT.replace(">true<", ">True<"),
        lambda: TIMESLOT.replace(">true<", "> true <"),
        lambda: TIMESLOT.replace("<c:reason>Huvudvärk", "<c:reason><!-- x -->Huvud<!-- y -->värk"),
        lambda: TIMESLOT.replace("Rum 4", "<![CDATA[Rum 4]]>"),
        lambda: TIMESLOT.replace("B-1", "\n  B-1\n "),
    ],
)
def test_other_ways_to_write_the_same(same: Callable[[], str]) -> None:
    assert read(reply(same())) == read(reply())


@pytest.mark.parametrize("empty", ["<c:{0}/>", "<c:{0}></c:{0}>", "<c:{0}>  \n</c:{0}>"])
def test_empty_elements_are_absent_ones(empty: str) -> None:
    names = [
        *("startTimeInclusive", "endTimeExclusive", "performer", "bookingId", "subject_of_care"),
        *("purpose", "reason", "resourceName", "healthcare_facility_name", "performerName"),
        *("resourceID", "timeTypeName", "careTypeName", "cancel_booking_allowed"),
        *("rebooking_allowed", "message_allowed"),
    ]
    empties = "".join(empty.format(name) for name in names) + "<e:isInvitation/>"
    found = read(reply(MINIMAL + empties))
    assert found == read(reply(MINIMAL)) == Timeslot(BookingDetails(unit="SE1"))


def test_a_nil_element_is_an_absent_one() -> None:
    nil = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"'
    assert details(f"{MINIMAL}<c:purpose {nil}/>").purpose == ""


def test_flags_may_be_missing() -> None:
    found = details(without("cancel_booking_allowed", "rebooking_allowed", "message_allowed"))
    assert (found.cancel_allowed, found.rebook_allowed, found.message_allowed) == (None,) * 3


def test_a_flag_that_is_not_understood_is_absent() -> None:
    found = details(TIMESLOT.replace("<c:rebooking_allowed>1", "<c:rebooking_allowed>kanske"))
    assert found.rebook_allowed is None


def test_a_producer_of_version_1_0_knows_only_bookings() -> None:
    assert details(without("isInvitation")).is_call_letter is False


def test_an_unclear_invitation_flag_is_not_guessed_at() -> None:
    assert "isInvitation" in unreadable(reply(TIMESLOT.replace(">true</e:", ">ja</e:")))


@pytest.mark.parametrize("nothing", ["", "<r:timeslotDetail/>", "<!-- none -->"])
def test_no_timeslot_is_no_such_booking(nothing: str) -> None:
    assert read(response(nothing)) is None


def test_a_timeslot_of_empty_elements_is_no_such_booking() -> None:
    assert (
        read(reply("<c:startTimeInclusive/><c:healthcare_facility> </c:healthcare_facility>"))
        is None
    )


@pytest.mark.parametrize(
    "timeslot",
    [
        "<c:cancel_booking_allowed>false</c:cancel_booking_allowed>",
        "<c:purpose>Hej</c:purpose>",
    ],
)
def test_a_timeslot_of_nobody_knows_where_is_not_delivered(timeslot: str) -> None:
    assert "neither" in unreadable(reply(timeslot))


@pytest.mark.parametrize("start", ["2026-12-03T09:00:00", "20261203", "20261303090000", "kl. 9"])
def test_a_start_that_cannot_be_read_does_not_make_an_open_call(start: str) -> None:
    assert "startTime" in unreadable(reply(TIMESLOT.replace("20261203090000", start)))


def test_an_end_that_cannot_be_read_is_left_out() -> None:
    assert details(TIMESLOT.replace("20261203093000", "93000")).ends == ""


def test_docbook_comes_through_as_it_was_before_it_was_encoded() -> None:
    docbook = (
        '<article xmlns="http://docbook.org/ns/docbook"><para>Hej &amp; välkommen</para></article>'
    )
    encoded = docbook.replace("&", "&amp;").replace("<", "&lt;")
    assert details(TIMESLOT.replace("Välkommen på kontroll.", encoded)).purpose == docbook


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>Bad gateway</body></html>",
        b"<html><br></html>",
        b'{"error": 1}',
        reply()[:-20],
        reply()[:-200],
        reply() + reply(),
        reply().replace(b"schemas.xmlsoap.org/soap/envelope/", b"www.w3.org/2003/05/soap-envelope"),
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + reply(),
        reply("<c:purpose>" + "x" * 100_000 + "</c:purpose>"),
        reply("<c:a>" * 200 + "</c:a>" * 200),
        response("").replace(b"GetBookingDetailsResponse", b"GetBookingDetails"),
        response("").replace(b"GetBookingDetailsResponder:1", b"GetBookingDetailsResponder:2"),
        reply().replace(b"r:timeslotDetail", b"c:timeslotDetail"),
        reply().replace(b"<r:timeslotDetail>", b"<r:timeslotDetail/><r:timeslotDetail>"),
    ],
    ids=lambda content: content[:40].decode(),
)
def test_what_is_not_the_contracts_reply_is_never_taken_for_no_such_booking(content: bytes) -> None:
    assert unreadable(content)


@pytest.mark.parametrize(
    "timeslot", ["B-1", "<c:other>B-1</c:other>", "<bookingId>B-1</bookingId>"]
)
def test_a_timeslot_of_nothing_the_contract_names_is_not_taken_for_none(timeslot: str) -> None:
    assert "nothing that the contract names" in unreadable(reply(timeslot))


def test_the_encoding_of_the_http_header_is_heard() -> None:
    latin = reply().decode().encode("iso-8859-1")
    found = read(latin, "iso-8859-1")
    assert found is not None
    assert found.details.unit_name == "Vårdcentralen Åsen"


@pytest.mark.parametrize(
    ("said_by_xml", "written_in", "said_by_http"),
    [
        ('<?xml version="1.0" encoding="ISO-8859-1"?>', "iso-8859-1", "utf-8"),
        ('<?xml version="1.0" encoding="UTF-8"?>', "utf-8", "iso-8859-1"),
        ("\ufeff", "utf-8", "iso-8859-1"),
    ],
)
def test_an_encoding_on_which_they_disagree_is_read_as_the_document_says(
    said_by_xml: str, written_in: str, said_by_http: str
) -> None:
    found = read((said_by_xml + reply().decode()).encode(written_in), said_by_http)
    assert found is not None
    assert found.details.unit_name == "Vårdcentralen Åsen"


def test_of_several_timeslots_it_is_known_whose_they_are() -> None:
    slot = f"<r:timeslotDetail>{TIMESLOT}</r:timeslotDetail>"
    with pytest.raises(CallFailed) as caught:
        read(response(slot + slot.replace(PATIENT, "201212121212")))
    assert [each.patient for each in caught.value.about] == [PATIENT, "201212121212"]
    assert {each.booking_id for each in caught.value.about} == {BOOKING.booking_id}


FORBIDDEN = {
    "vertical tab": "\x0b",
    "the same by number": "&#11;",
    "the same by its other number": "&#x0B;",
    "table cell": "\x07",
    "NUL": "\x00",
    "escape": "\x1b",
    "non-character": "\uffff",
    "lone surrogate": "\ud83d",
    "lone surrogate by number": "&#55357;",
    "NUL by number": "&#0;",
    "NUL by its other number": "&#x00;",
    "beyond Unicode": "&#1114112;",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("forbidden", FORBIDDEN.values(), ids=FORBIDDEN)
def test_characters_that_xml_forbids_cost_only_themselves(forbidden: str, encoding: str) -> None:
    said = TIMESLOT.replace("Välkommen på kontroll.", f"Ta 2{forbidden}500 mg")
    counted: list[None] = []
    content = reply("PLACE").decode().replace("PLACE", said).encode(encoding, "surrogatepass")
    try:
        body = open_reply(
            content, max_bytes=100_000, encoding=None, on_forbidden=lambda: counted.append(None)
        )
    except CallFailed:
        assert (encoding, forbidden) == ("utf-16", "\ud83d")  # no UTF-16 at all
        return
    found = timeslot_of(body)
    assert found is not None
    assert found.details.purpose.replace("\u2028", " ") == "Ta 2 500 mg"
    expected = read(reply())
    assert expected is not None
    assert found.details.model_copy(update={"purpose": ""}) == expected.details.model_copy(
        update={"purpose": ""}
    )
    assert counted == [None]


class OneReply:
    """Stands for the platform: answers every call with the same bytes."""

    def __init__(self, content: bytes) -> None:
        self._reply = HttpReply(200, content, "utf-8")

    def post(self, _body: bytes, _headers: object) -> HttpReply:
        return self._reply


def asked(content: bytes) -> Timeslot | None:
    client = BookingsClient(
        OneReply(content),  # type: ignore[arg-type]
        consumer="",
        unknown_booking=UNKNOWN,
        max_reply_bytes=100_000,
        clock=lambda: NOON,
        on_forbidden=SourceWatch().forbidden_characters,
    )
    return client.get_booking_details(BOOKING, "corr-1").timeslot


def test_a_reply_with_forbidden_characters_is_counted_by_source_and_logged_without_content() -> (
    None
):
    def counted() -> float:
        name = "budkavle_reply_forbidden_characters_total"
        return REGISTRY.get_sample_value(name, {"source": BOOKING.source_system}) or 0

    before = counted()
    with capture_logs() as logs:
        assert asked(reply()) is not None
        assert logs == []
        assert asked(reply().replace(b"Huvud", b"\x0b")) is not None
    assert counted() == before + 1
    assert logs == [
        {
            "event": "reply_forbidden_characters",
            "log_level": "warning",
            "source": BOOKING.source_system,
        }
    ]


def test_a_sound_reply_is_searched_for_nothing_and_a_broken_one_stays_unreadable() -> None:
    counted: list[None] = []
    for content in (reply(), reply()[:-20], b"\x0b" + reply()[:-20], b"\x0b" * 200_000):
        with contextlib.suppress(CallFailed):
            open_reply(
                content, max_bytes=100_000, encoding=None, on_forbidden=lambda: counted.append(None)
            )
    assert counted == []
    assert "line 1" in unreadable(b"<a>\x0b191212121212</b></a>")


def test_a_reference_that_xml_allows_stays() -> None:
    said = TIMESLOT.replace("Välkommen på kontroll.", "\x0b&#229;&#xE4;&#128512;&amp;#11;")
    assert details(said).purpose == "åä😀&#11;"


def test_long_texts_are_read_and_cut() -> None:
    long = "&lt;para&gt;" + "Hej. " * 400_000
    text = reply(without("purpose", "reason") + f"<c:purpose>{long}</c:purpose>")
    found = timeslot_of(open_reply(text, max_bytes=16_777_216, encoding=None))
    assert found is not None
    assert found.details.starts == "20261203090000"
    assert found.details.unit_name == "Vårdcentralen Åsen"
    assert len(found.details.purpose) == 1_000_000


UNKNOWN = re.compile("(?i)unknown booking")


def opened_fault(code: str, text: str) -> etree._Element:
    content = fault("Server", text).replace(b":Server<", f":{code}<".encode())
    return open_reply(content, max_bytes=10_000, encoding=None)


def test_a_fault_that_means_no_such_booking() -> None:
    assert raise_for_fault(opened_fault("Server", "Unknown booking"), UNKNOWN)
    assert raise_for_fault(opened_fault("Client", "Unknown booking 12"), UNKNOWN)


def test_no_fault() -> None:
    assert not raise_for_fault(open_reply(reply(), max_bytes=10_000, encoding=None), UNKNOWN)


@pytest.mark.parametrize(
    ("code", "text", "says", "works"),
    [
        ("Server", "Tolvan Tolvansson 191212121212 är inte listad", "Fault Server", False),
        ("Server", "VP009 Unknown booking system", "Fault Server VP009", False),
        ("Client", "actorId is missing", "Fault Client", True),
        ("Client.Authentication", "no", "Fault Client.Authentication", True),
        ("", "", "Fault", False),
    ],
)
def test_any_other_fault_is_trouble_told_without_its_text(
    code: str, text: str, says: str, works: bool
) -> None:
    with pytest.raises(CallFailed) as caught:
        raise_for_fault(opened_fault(code, text), UNKNOWN)
    assert str(caught.value) == says
    assert caught.value.reason is FetchRetryReason.FAULT
    assert caught.value.source_works is works


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    read_or_refuse(content)


@given(st.integers(0, 2000), st.integers(0, 2000), st.binary(max_size=20))
def test_a_mutated_reply_is_read_or_refused(start: int, end: int, put: bytes) -> None:
    content = reply()
    read_or_refuse(content[:start] + put + content[max(start, end) :])
