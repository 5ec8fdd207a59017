"""The booking systems of the sandbox: what they answer, and how they fail on demand."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from lxml import etree

from sandbox.faults import BookingFault
from shared.riv.namespaces import GET_BOOKING_DETAILS, SCHEDULING, SCHEDULING_1_1
from tests.polling import eventually
from tests.sandbox_world import SOAP, RunningWorld, running_world

pytestmark = pytest.mark.slow

UNIT = "SE2321000016-1HZ5"
PATIENT = "191212121212"
BOOKING = {
    "startTimeInclusive": "20261203090000",
    "endTimeExclusive": "20261203093000",
    "healthcare_facility_name": "Vårdcentralen Å & Ö",
    "subject_of_care": PATIENT,
    "performer": "SE2321000016-A1B2",
    "performerName": "Test Testsson",
    "purpose": "<article><para>Välkommen</para></article>",
    "isInvitation": True,
    "cancel_booking_allowed": False,
    "rebooking_allowed": True,
}

LOGICAL_ADDRESS = (
    '<a:LogicalAddress xmlns:a="urn:riv:itintegration:registry:1">{unit}</a:LogicalAddress>'
)
ACTOR = (
    '<h:Actor xmlns:h="urn:riv:interoperability:headers:1"><h:actorId>191212121212</h:actorId>'
    "<h:actorType>subject_of_care</h:actorType></h:Actor>"
)
BODY = (
    '<g:GetBookingDetails xmlns:g="urn:riv:crm:scheduling:GetBookingDetailsResponder:1">'
    "<g:healthcare_facility>{facility}</g:healthcare_facility>"
    "<g:bookingId>{booking}</g:bookingId></g:GetBookingDetails>"
)


@pytest.fixture(scope="module")
def shared_world() -> Iterator[RunningWorld]:
    with running_world() as world:
        yield world


@pytest.fixture
def world(shared_world: RunningWorld) -> Iterator[RunningWorld]:
    """A world with one booking, without faults and without calls behind it."""
    shared_world.control("DELETE", "/bookings")
    shared_world.control("DELETE", "/calls")
    shared_world.control("PUT", f"/bookings/{UNIT}/b-1", BOOKING)
    yield shared_world
    shared_world.control("DELETE", f"/faults/{UNIT}")


def envelope(
    unit: str = UNIT, facility: str = UNIT, booking: str = "b-1", actor: str = ACTOR
) -> bytes:
    header = LOGICAL_ADDRESS.format(unit=unit) + actor if unit else actor
    body = BODY.format(facility=facility, booking=booking)
    return (
        f'<e:Envelope xmlns:e="{SOAP}"><e:Header>{header}</e:Header>'
        f"<e:Body>{body}</e:Body></e:Envelope>"
    ).encode()


def post(world: RunningWorld, body: bytes, *, timeout: float = 5) -> requests.Response:
    return requests.post(world.addresses.platform + "/any/path", data=body, timeout=timeout)


def ask(world: RunningWorld, **what: str) -> dict[str, str | None] | None:
    """The fields of the timeslot by their local names; None when there is none."""
    reply = post(world, envelope(**what))
    assert reply.status_code == 200, reply.text
    timeslot = etree.fromstring(reply.content).find(f".//{{{GET_BOOKING_DETAILS}}}timeslotDetail")
    if timeslot is None:
        return None
    return {etree.QName(child).localname: child.text for child in timeslot}


def fault_text(reply: requests.Response) -> str:
    assert reply.status_code == 500
    text = etree.fromstring(reply.content).findtext(".//faultstring")
    assert text is not None
    return text


def inject(world: RunningWorld, kind: str, **terms: object) -> None:
    world.control("POST", f"/faults/{UNIT}", {"kind": kind, **terms})


def test_a_booking_is_told_as_it_was_put(world: RunningWorld) -> None:
    told = ask(world)
    assert told == {
        "startTimeInclusive": "20261203090000",
        "endTimeExclusive": "20261203093000",
        "healthcare_facility": UNIT,
        "performer": "SE2321000016-A1B2",
        "bookingId": "b-1",
        "subject_of_care": PATIENT,
        "purpose": BOOKING["purpose"],
        "healthcare_facility_name": "Vårdcentralen Å & Ö",
        "performerName": "Test Testsson",
        "cancel_booking_allowed": "false",
        "rebooking_allowed": "true",
        "isInvitation": "true",
    }
    assert list(told).index("performerName") < list(told).index("cancel_booking_allowed")


def test_is_invitation_stands_in_the_namespace_of_1_1(world: RunningWorld) -> None:
    reply = etree.fromstring(post(world, envelope()).content)
    assert reply.findtext(f".//{{{SCHEDULING_1_1}}}isInvitation") == "true"
    assert reply.findtext(f".//{{{SCHEDULING}}}startTimeInclusive") == "20261203090000"


def test_units_are_found_in_any_case_but_answer_with_their_own(world: RunningWorld) -> None:
    told = ask(world, unit=UNIT.lower(), facility=UNIT.swapcase())
    assert told is not None
    assert told["healthcare_facility"] == UNIT


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ({"unit": ""}, "LogicalAddress"),
        ({"actor": ""}, "Actor"),
        ({"actor": ACTOR.replace("subject_of_care<", "doctor<")}, "actorType"),
        ({"booking": ""}, "bookingId"),
        ({"facility": ""}, "healthcare_facility"),
        ({"facility": "SE2321000016-OTHER"}, "healthcare_facility"),
    ],
)
def test_a_call_that_breaks_the_contract_is_refused_by_name(
    world: RunningWorld, what: dict[str, str], named: str
) -> None:
    assert named in fault_text(post(world, envelope(**what)))


@pytest.mark.parametrize("body", [b"not xml", b"<a/>", b"<!DOCTYPE a><a/>"])
def test_what_is_no_soap_is_refused_with_a_fault(world: RunningWorld, body: bytes) -> None:
    assert fault_text(post(world, body))


def test_a_soap_action_of_another_operation_is_refused(world: RunningWorld) -> None:
    reply = requests.post(
        world.addresses.platform, data=envelope(), headers={"SOAPAction": '"urn:other"'}, timeout=5
    )
    assert "SOAPAction" in fault_text(reply)


def test_an_unknown_booking_has_an_empty_reply(world: RunningWorld) -> None:
    assert ask(world, booking="b-2") is None


def test_an_unknown_booking_is_a_fault_where_the_setting_says_so() -> None:
    with running_world(sandbox_unknown_booking="fault") as world:
        assert "Unknown booking" in fault_text(post(world, envelope()))


def test_a_deleted_booking_is_unknown_and_deleting_again_is_no_error(world: RunningWorld) -> None:
    assert world.control("DELETE", f"/bookings/{UNIT.lower()}/b-1") == {"removed": 1}
    assert ask(world) is None
    assert world.control("DELETE", f"/bookings/{UNIT}/b-1") == {"removed": 0}


def test_null_is_left_out_and_an_empty_text_is_an_empty_element(world: RunningWorld) -> None:
    world.control("PUT", f"/bookings/{UNIT}/b-1", {"performer": None, "resourceID": ""})
    told = ask(world)
    assert told == {"healthcare_facility": UNIT, "bookingId": "b-1", "resourceID": None}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"start": "20261203090000"}, "start"),
        ({"isInvitation": "perhaps"}, "isInvitation"),
        ({"purpose": 3}, "purpose"),
        ({"purpose": "\x00"}, "purpose"),
    ],
)
def test_a_field_that_cannot_be_is_refused_by_name(
    world: RunningWorld, fields: dict[str, object], named: str
) -> None:
    answer = world.try_control("PUT", f"/bookings/{UNIT}/b-1", fields)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"{named}: ")


def test_many_bookings_are_put_at_once_or_not_at_all(world: RunningWorld) -> None:
    many = [{"logicalAddress": UNIT, "bookingId": f"m-{n}", **BOOKING} for n in range(2000)]
    assert world.control("PUT", "/bookings", many) == {"put": 2000}
    assert ask(world, booking="m-1999") is not None
    bad = [
        {"logicalAddress": UNIT, "bookingId": "good"},
        {"logicalAddress": UNIT, "bookingId": "x", "no": "1"},
    ]
    assert world.try_control("PUT", "/bookings", bad).status_code == 400
    assert ask(world, booking="good") is None
    assert len(world.control("GET", "/bookings")) == 2001


def test_an_unknown_fault_is_refused_with_the_list_of_kinds(world: RunningWorld) -> None:
    answer = world.try_control("POST", f"/faults/{UNIT}", {"kind": "explosion"})
    assert answer.status_code == 400
    assert all(kind.value in answer.json()["error"] for kind in BookingFault)


def test_an_unknown_term_of_a_fault_is_refused_by_name(world: RunningWorld) -> None:
    answer = world.try_control("POST", f"/faults/{UNIT}", {"kind": "fault", "counts": 3})
    assert answer.status_code == 400
    assert "counts" in answer.json()["error"]


def test_a_counted_fault_strikes_that_often(world: RunningWorld) -> None:
    inject(world, "fault", count=2, text="out of order")
    assert [post(world, envelope()).status_code for _ in range(3)] == [500, 500, 200]


def test_a_timed_fault_passes(world: RunningWorld) -> None:
    inject(world, "fault", seconds=0.3)
    assert post(world, envelope()).status_code == 500
    eventually(lambda: post(world, envelope()).status_code == 200, timeout=5)


def test_a_deleted_fault_is_over(world: RunningWorld) -> None:
    inject(world, "fault")
    assert list(world.control("GET", "/faults")) == [UNIT]
    assert world.control("DELETE", f"/faults/{UNIT}") == {"ended": 1}
    assert post(world, envelope()).status_code == 200


def test_faults_are_of_one_unit_and_may_be_of_one_booking(world: RunningWorld) -> None:
    world.control("PUT", "/bookings/SE2321000016-NEXT/b-1", BOOKING)
    inject(world, "fault", bookingId="b-1")
    assert post(world, envelope()).status_code == 500
    assert post(world, envelope(booking="b-2")).status_code == 200
    next_door = envelope(unit="SE2321000016-NEXT", facility="SE2321000016-NEXT")
    assert post(world, next_door).status_code == 200


def test_latency_delays_the_reply(world: RunningWorld) -> None:
    inject(world, "latency", latency_seconds=0.3)
    started = time.monotonic()
    assert ask(world) is not None
    assert time.monotonic() - started >= 0.3


def test_a_hanging_call_gets_its_answer_when_the_fault_is_over(world: RunningWorld) -> None:
    inject(world, "hang", count=1)
    with pytest.raises(requests.ReadTimeout):
        post(world, envelope(), timeout=0.3)
    inject(world, "hang", count=1)
    with ThreadPoolExecutor() as pool:
        hanging = pool.submit(post, world, envelope())
        eventually(lambda: calls(world)["in_flight"] == 1)
        world.control("DELETE", f"/faults/{UNIT}")
        assert hanging.result(5).status_code == 200


def test_a_client_that_gives_up_is_not_in_flight_any_more(world: RunningWorld) -> None:
    inject(world, "hang")
    with pytest.raises(requests.ReadTimeout):
        post(world, envelope(), timeout=0.2)
    eventually(lambda: calls(world)["in_flight"] == 0)


@pytest.mark.parametrize("kind", ["hang-up", "refuse"])
def test_a_cut_connection_is_no_reply(world: RunningWorld, kind: str) -> None:
    inject(world, kind)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        post(world, envelope())


def test_a_dripping_reply_comes_whole_in_the_end(world: RunningWorld) -> None:
    inject(world, "slow-drip", drip_seconds=0.4)
    started = time.monotonic()
    assert ask(world) is not None
    assert time.monotonic() - started >= 0.35


def test_garbage_is_a_page_of_html(world: RunningWorld) -> None:
    inject(world, "garbage", count=1)
    reply = post(world, envelope())
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "text/html"
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(reply.content)
    inject(world, "garbage", status=502)
    assert post(world, envelope()).status_code == 502


def test_wrong_replies_are_wrong_in_one_thing_only(world: RunningWorld) -> None:
    right = ask(world)
    assert right is not None
    wrongs = {
        "wrong-patient": "subject_of_care",
        "wrong-unit": "healthcare_facility",
        "wrong-booking": "bookingId",
        "performer-type": "performer",
    }
    for kind, field in wrongs.items():
        inject(world, kind, count=1)
        told = ask(world)
        assert told is not None
        assert told.pop(field) != right[field], kind
        assert told == {name: text for name, text in right.items() if name != field}, kind


def test_no_timeslot_hides_a_known_booking(world: RunningWorld) -> None:
    inject(world, "no-timeslot")
    assert ask(world) is None


def test_unknown_fault_says_unknown_booking(world: RunningWorld) -> None:
    inject(world, "unknown-fault")
    assert "Unknown booking" in fault_text(post(world, envelope()))


def test_quirks_of_real_producers(world: RunningWorld) -> None:
    inject(world, "empty-elements", count=1)
    told = ask(world)
    assert told is not None
    assert told["resourceID"] is None
    assert told["performerName"] == "Test Testsson"

    inject(world, "no-allowed-flags", count=1)
    inject(world, "v1.0", count=1)
    told = ask(world)
    assert told is not None
    assert not {"cancel_booking_allowed", "rebooking_allowed", "isInvitation"} & told.keys()

    inject(world, "hsa-case", count=1)
    told = ask(world)
    assert told is not None
    assert told["healthcare_facility"] == UNIT.swapcase()


def calls(world: RunningWorld) -> dict[str, int]:
    told: dict[str, int] = world.control("GET", "/calls?times=yes")[UNIT]
    return told


def test_calls_are_counted_by_unit_whatever_their_case(world: RunningWorld) -> None:
    ask(world)
    ask(world, unit=UNIT.lower(), facility=UNIT)
    told = calls(world)
    assert (told["calls"], told["in_flight"], told["max_in_flight"]) == (2, 0, 1)
    assert told["max_per_second"] == 2
    world.control("DELETE", "/calls")
    assert world.control("GET", "/calls") == {}


def test_the_most_calls_at_once_are_remembered(world: RunningWorld) -> None:
    inject(world, "latency", latency_seconds=0.3)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: post(world, envelope()), range(3)))
    assert calls(world)["max_in_flight"] == 3


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nothing", 404), ("POST", "/bookings", 405)]
)
def test_the_control_api_says_what_it_does_not_have(
    world: RunningWorld, method: str, path: str, status: int
) -> None:
    answer = world.try_control(method, path, [])
    assert answer.status_code == status
    assert answer.json()["error"]


def test_what_is_not_json_is_refused(world: RunningWorld) -> None:
    answer = requests.put(f"{world.addresses.control}/bookings/{UNIT}/b-1", data=b"{", timeout=5)
    assert answer.status_code == 400


def test_a_lagging_booking_system_shows_a_change_later(world: RunningWorld) -> None:
    moved = BOOKING | {"startTimeInclusive": "20261204090000"}
    world.control("PUT", f"/bookings/{UNIT}/b-1?after=0.3", moved)
    assert starts(world) == BOOKING["startTimeInclusive"]
    eventually(lambda: starts(world) == "20261204090000", timeout=5)
    assert world.control("DELETE", f"/bookings/{UNIT}/b-1?after=0.3") == {"removed": 1}
    assert starts(world) == "20261204090000"
    eventually(lambda: ask(world) is None, timeout=5)


def starts(world: RunningWorld) -> str | None:
    shown = ask(world)
    assert shown is not None
    return shown["startTimeInclusive"]


@pytest.mark.parametrize("after", ["soon", "-1", "nan", "inf"])
def test_a_lag_that_cannot_be_is_refused(world: RunningWorld, after: str) -> None:
    answer = world.try_control("DELETE", f"/bookings/{UNIT}/b-1?after={after}")
    assert answer.status_code == 400
    assert "after" in answer.json()["error"]
    assert ask(world) is not None
