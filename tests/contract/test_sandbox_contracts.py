"""What the sandbox sends is what the contracts allow, and the quirks break them as promised."""

from collections.abc import Iterator

import pytest
import requests
import zeep
from lxml import etree

from console.demo.world import DemoWorld, ForeignIndex
from sandbox.booking_systems import BookingSystems
from sandbox.bookings import Bookings
from sandbox.calls import Calls
from sandbox.deliveries import OutgoingNotification
from sandbox.engagements import read_json
from sandbox.faults import BookingFault, FaultBook
from sandbox.http_server import SandboxReply
from sandbox.http_wire import Request
from sandbox.index_entries import IndexEntries
from sandbox.subscriber import build_request, read_answer
from sandbox.timeslots import FIELDS, render_reply, with_quirks
from sandbox.updates import build_update
from shared.riv.contracts import schema_path
from tests.contract.schemas import (
    about_official_files,
    assert_conforms,
    assert_lacks_timeslot,
    official_file,
    official_schema,
)
from tests.fake_subscriber import result
from tests.polling import eventually
from tests.sandbox_world import RunningWorld, running_world
from tests.unit.test_sandbox_bookings import envelope as question
from tests.unit.test_sandbox_index import ENTRY, entry, soap_transaction, soap_update

FULL = {
    **{name: f"text of {name} & <more>" for name in FIELDS[6:16]},
    "startTimeInclusive": "20261203090000",
    "endTimeExclusive": "20261203093000",
    "healthcare_facility": "SE2321000016-1HZ5",
    "performer": "SE2321000016-A1B2",
    "bookingId": "b-1",
    "subject_of_care": "191212121212",
    "cancel_booking_allowed": "true",
    "rebooking_allowed": "false",
    "message_allowed": "true",
    "isInvitation": "true",
}
OPEN_CALL = {
    name: FULL[name]
    for name in ("healthcare_facility", "bookingId", "subject_of_care", "purpose", "isInvitation")
}

#: Wrong about somebody or something, but not about the form.
WELL_FORMED_QUIRKS = (
    BookingFault.WRONG_PATIENT,
    BookingFault.WRONG_UNIT,
    BookingFault.WRONG_BOOKING,
    BookingFault.EMPTY_ELEMENTS,
    BookingFault.NO_ALLOWED_FLAGS,
    BookingFault.VERSION_1_0,
    BookingFault.PERFORMER_TYPE,
    BookingFault.HSA_CASE,
)


@pytest.fixture(scope="module")
def world() -> Iterator[RunningWorld]:
    with running_world() as running:
        yield running


@pytest.mark.parametrize("fields", [FULL, OPEN_CALL], ids=["full", "open call"])
def test_replies_about_bookings_conform(fields: dict[str, str]) -> None:
    assert_conforms(render_reply(fields))


@pytest.mark.parametrize("quirk", WELL_FORMED_QUIRKS)
@pytest.mark.parametrize("fields", [FULL, OPEN_CALL], ids=["full", "open call"])
def test_quirky_replies_conform(quirk: BookingFault, fields: dict[str, str]) -> None:
    assert_conforms(render_reply(with_quirks(fields, {quirk})))


def test_a_reply_without_timeslot_breaks_the_contract_as_real_ones_do() -> None:
    assert_lacks_timeslot(render_reply(None))


def test_the_questions_of_these_tests_conform() -> None:
    assert_conforms(question())


def notification(*entries: dict[str, object]) -> bytes:
    changed = IndexEntries("SE0000000000-INDEX").apply(read_json(list(entries)))
    return build_request(OutgoingNotification(changed, "corr-1", "SE-SRC"), "SE0000000000-RELAY")


def test_notifications_conform() -> None:
    times = {"creationTime": "20261101080000", "updateTime": "20261102080000"}
    second = entry(businessObjectInstanceIdentifier="b-2", **times)
    third = entry(businessObjectInstanceIdentifier="b-3")
    del third["mostRecentContent"]
    assert_conforms(notification(ENTRY, second, third))


def test_notifications_of_removals_conform() -> None:
    entries = IndexEntries("SE0000000000-INDEX")
    entries.apply(read_json([ENTRY]))
    removal = entry(deleteFlag=True)
    del removal["mostRecentContent"]
    removed = entries.apply(read_json([removal]))
    assert_conforms(
        build_request(OutgoingNotification(removed, "c", "SE-SRC"), "SE0000000000-RELAY")
    )


def test_a_thousand_engagements_conform() -> None:
    many = [entry(businessObjectInstanceIdentifier=f"b-{number}") for number in range(1000)]
    assert_conforms(notification(*many))


def test_the_answer_to_an_update_conforms(world: RunningWorld) -> None:
    update = soap_update(soap_transaction())
    answer = requests.post(world.addresses.index, data=update, timeout=10)
    assert_conforms(answer.content)


def test_the_demo_updates_an_index_that_is_not_the_sandbox_s(world: RunningWorld) -> None:
    foreign = ForeignIndex(world.addresses.index, "SE0000000000-INDEX")
    outside = DemoWorld(world.addresses.control, foreign)
    outside.tell_index({**ENTRY, "businessObjectInstanceIdentifier": "by-demo"})
    assert eventually(lambda: "by-demo" in _kept_bookings(world))
    assert not outside.has_own_index


def test_updates_conform() -> None:
    removal = entry(deleteFlag=True, businessObjectInstanceIdentifier="b-2")
    assert_conforms(build_update(read_json([ENTRY, removal]), "SE0000000000-INDEX"))


def test_the_answers_that_the_index_reads_conform() -> None:
    status, body = result("INFO", "known already")
    assert_conforms(body)
    assert read_answer(status, body).result_code == "INFO"


def test_field_names_are_those_of_the_schema_in_its_order() -> None:
    schema = etree.parse(schema_path("scheduling.xsd"))
    assert _declared_fields(schema) == list(FIELDS)


@about_official_files
def test_field_names_are_those_of_the_official_schema() -> None:
    schema = etree.parse(official_file("crm_scheduling_1.1.xsd"))
    assert _declared_fields(schema) == list(FIELDS)


def _declared_fields(schema: etree._ElementTree) -> list[str]:
    elements = schema.iterfind(".//{*}complexType[@name='TimeslotType']//{*}element")
    return [one.get("name") or str(one.get("ref")).rpartition(":")[2] for one in elements]


@about_official_files
def test_the_official_schema_is_what_refuses_a_wrong_reply() -> None:
    """The net has no hole: what is wrong in one place is seen."""
    schema = official_schema("GetBookingDetailsResponder_1.1.xsd")
    wrong = render_reply({**FULL, "startTimeInclusive": "2026-12-03"})
    body = etree.fromstring(wrong).find(".//{*}GetBookingDetailsResponse")
    assert body is not None
    assert not schema.validate(etree.fromstring(etree.tostring(body)))


def test_zeep_and_our_contract_files_understand_the_sandbox(world: RunningWorld) -> None:
    world.control("PUT", f"/bookings/{FULL['healthcare_facility']}/b-1", FULL)
    client = zeep.Client(str(schema_path("GetBookingDetails.wsdl")))
    (binding,) = client.wsdl.bindings
    reply = client.create_service(binding, world.addresses.platform).GetBookingDetails(
        healthcare_facility=FULL["healthcare_facility"],
        bookingId="b-1",
        _soapheaders={
            "LogicalAddress": FULL["healthcare_facility"],
            "Actor": {"actorId": "191212121212", "actorType": "subject_of_care"},
        },
    )
    assert reply.timeslotDetail.purpose == FULL["purpose"]
    assert reply.timeslotDetail.isInvitation is True


def test_zeep_and_our_contract_files_can_update_the_index(world: RunningWorld) -> None:
    client = zeep.Client(str(schema_path("Update.wsdl")))
    (binding,) = client.wsdl.bindings
    engagement = {
        **ENTRY,
        "serviceDomain": "riv:crm:scheduling",
        "categorization": "NA",
        "clinicalProcessInterestId": "NA",
        "dataController": "SE0000000000",
        "businessObjectInstanceIdentifier": "by-zeep",
    }
    answer = client.create_service(binding, world.addresses.index).Update(
        engagementTransaction=[{"deleteFlag": False, "engagement": engagement}],
        _soapheaders={"LogicalAddress": "SE0000000000-INDEX"},
    )
    assert answer.ResultCode == "OK"
    assert eventually(lambda: "by-zeep" in _kept_bookings(world))


def _kept_bookings(world: RunningWorld) -> list[str]:
    kept = world.control("GET", "/index/entries")
    return [one["businessObjectInstanceIdentifier"] for one in kept]


def test_faults_of_the_sandbox_are_soap_faults() -> None:
    systems = BookingSystems(Bookings(), FaultBook(BookingFault), Calls(), unknown_is_fault=True)
    reply = systems(Request("POST", "/", body=question()))
    assert isinstance(reply, SandboxReply)
    assert reply.status == 500
    assert etree.fromstring(reply.body).find(".//{*}Fault/faultstring") is not None
