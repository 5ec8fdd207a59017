"""Every kind of message that is sent or received, by either side, held to the schemas.

What single modules send is tested beside them; here, that no kind is left out.
"""

from collections.abc import Iterator

import pytest
import requests
from lxml import etree

from fetcher.booking_requests import request_about
from ingest.handler import Faulted, FaultReason, NothingTaken, RefusalReason
from ingest.soap_replies import reply_to
from sandbox.faults import BookingFault
from shared.base.clock import utcnow
from shared.relay.broker import BrokerUnavailable
from shared.riv.namespaces import PING, REGISTRY
from shared.riv.soap import SoapFault, parse_envelope, parse_fault
from tests.booking_samples import BOOKING, TIMESLOT, reply
from tests.contract.schemas import assert_conforms, assert_lacks_timeslot
from tests.gateway import Gateway, running_gateway
from tests.notifications import ENVELOPE, SUBSCRIBER, request
from tests.sandbox_world import RunningWorld, running_world
from tests.unit.test_sandbox_bookings import BOOKING as SANDBOX_BOOKING
from tests.unit.test_sandbox_bookings import UNIT
from tests.unit.test_sandbox_bookings import envelope as question
from tests.unit.test_sandbox_index import soap_transaction, soap_update

PING_REQUEST = f"""<s:Envelope xmlns:s="{ENVELOPE}"><s:Header>
<r:LogicalAddress xmlns:r="{REGISTRY}">{SUBSCRIBER}</r:LogicalAddress></s:Header><s:Body>
<p:PingForConfiguration xmlns:p="{PING}">
<p:serviceContractNamespace>{PING}</p:serviceContractNamespace>
<p:logicalAddress>{SUBSCRIBER}</p:logicalAddress></p:PingForConfiguration>
</s:Body></s:Envelope>""".encode()

MOST_RECENT = b"<e:mostRecentContent>20261203090000</e:mostRecentContent>"
FOREIGN = b'<f:more xmlns:f="urn:foreign">x</f:more>'


def in_order(update: bytes) -> bytes:
    """mostRecentContent where the schema has it, and not last, as the index's load tests have."""
    source = b"<e:sourceSystem>"
    return update.replace(MOST_RECENT, b"").replace(source, MOST_RECENT + source)


def fault_of(envelope: bytes) -> SoapFault | None:
    return parse_fault(parse_envelope(etree.fromstring(envelope)).body)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running_gateway(
        logical_address=SUBSCRIBER, ingest_max_body_bytes=100_000, ingest_broker_wait_seconds=0
    ) as running:
        yield running


@pytest.fixture(scope="module")
def world() -> Iterator[RunningWorld]:
    with running_world() as running:
        running.control("PUT", f"/bookings/{UNIT}/b-1", SANDBOX_BOOKING)
        yield running


# --- ingest and the index ---


@pytest.mark.parametrize("reason", RefusalReason)
def test_every_refusal_conforms(reason: RefusalReason) -> None:
    assert_conforms(
        reply_to(NothingTaken(reason, "engagementTransaction[1]/x is <empty>"), utcnow).body
    )


@pytest.mark.parametrize("reason", FaultReason)
@pytest.mark.parametrize("code", ["Client", "Server", "VersionMismatch", "MustUnderstand"])
def test_every_fault_conforms(reason: FaultReason, code: str) -> None:
    answer = Faulted(reason, code, "a <reason> & more")  # type: ignore[arg-type]
    assert_conforms(reply_to(answer, utcnow).body)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"<a>", "Client"),
        (b"<a/>", "Client"),
        (b"<!DOCTYPE a><a/>", "Client"),
        (request(logical_address="SE-OTHER"), "Client"),
        (request().replace(b":ProcessNotificationResponder:1", b":Other:1"), "Client"),
        (request().replace(ENVELOPE.encode(), b"http://www.w3.org/2003/05/soap-envelope"), "Vers"),
        (request() + b" " * 100_000, "Client"),
    ],
)
def test_faults_as_they_are_served_conform(gateway: Gateway, document: bytes, code: str) -> None:
    answer = gateway.post(document)
    assert answer.status_code >= 400
    assert_conforms(answer.content)
    fault = fault_of(answer.content)
    assert fault is not None
    assert fault.code.startswith(code)


def test_trouble_of_our_own_is_a_fault_that_conforms(gateway: Gateway) -> None:
    gateway.broker.trouble = BrokerUnavailable("away")
    try:
        answer = gateway.post(request())
    finally:
        gateway.broker.trouble = None
    assert answer.status_code == 500
    assert_conforms(answer.content)
    assert fault_of(answer.content) is not None


def test_the_ping_of_the_platform_and_our_answer_conform(gateway: Gateway) -> None:
    assert_conforms(PING_REQUEST)
    answer = gateway.post(PING_REQUEST)
    assert answer.status_code == 200
    assert_conforms(answer.content)


def test_updates_and_what_the_index_answers_conform(world: RunningWorld) -> None:
    transactions = (soap_transaction(f"every-{number}") for number in range(3))
    update = in_order(soap_update(*transactions))
    assert_conforms(update)
    for sent in (update, soap_update()):
        assert_conforms(requests.post(world.addresses.index, data=sent, timeout=10).content)


def test_the_schemas_see_an_update_out_of_order() -> None:
    with pytest.raises(AssertionError, match="mostRecentContent"):
        assert_conforms(soap_update(soap_transaction()))


# --- fetcher and booking systems ---


@pytest.mark.parametrize(
    "odd",
    [
        {"booking_id": "a <b> & \"c\" 'd' ]]>"},
        {"booking_id": "å" * 128},
        {"logical_address": "se2321000016-1hz5", "patient": "20121212T212"},
        {"logical_address": "S" * 64},
    ],
)
def test_questions_about_odd_bookings_conform(odd: dict[str, str]) -> None:
    booking = BOOKING.model_copy(update=odd)
    sent = request_about(booking)
    assert_conforms(sent)
    told = {etree.QName(one).localname: one.text for one in parse_envelope_body(sent)}
    assert told == {
        "healthcare_facility": booking.logical_address,
        "bookingId": booking.booking_id,
    }


def parse_envelope_body(envelope: bytes) -> etree._Element:
    return parse_envelope(etree.fromstring(envelope)).body


def test_the_replies_our_tests_read_conform() -> None:
    assert_conforms(reply())
    assert_conforms(reply("<c:healthcare_facility>SE1</c:healthcare_facility>"))


@pytest.mark.parametrize("element", ["startTimeInclusive", "isInvitation", "rebooking_allowed"])
def test_the_schemas_see_a_value_that_is_wrong(element: str) -> None:
    prefix = "e" if element == "isInvitation" else "c"
    begin, end = f"<{prefix}:{element}>", f"</{prefix}:{element}>"
    before, _, rest = TIMESLOT.partition(begin)
    wrong = f"{before}{begin}soon{rest[rest.index(end) :]}"
    with pytest.raises(AssertionError, match=element):
        assert_conforms(reply(wrong))


LACK_THE_TIMESLOT = {BookingFault.NO_TIMESLOT}
SAY_NO_SOAP = {BookingFault.GARBAGE}
SAY_NOTHING = {BookingFault.HANG, BookingFault.HANG_UP, BookingFault.REFUSE}
ANSWER = [fault for fault in BookingFault if fault not in SAY_NOTHING]


@pytest.mark.parametrize("kind", ANSWER)
def test_each_fault_of_a_booking_system_conforms_or_breaks_as_it_is_meant_to(
    world: RunningWorld, kind: BookingFault
) -> None:
    terms = {"kind": kind, "count": 1, "latency_seconds": 0, "drip_seconds": 0.1}
    world.control("POST", f"/faults/{UNIT}", terms)
    answer = requests.post(world.addresses.platform, data=question(), timeout=10).content
    if kind in SAY_NO_SOAP:
        assert b"Envelope" not in answer
    elif kind in LACK_THE_TIMESLOT:
        assert_lacks_timeslot(answer)
    else:
        assert_conforms(answer)
