"""The gateway on the wire: its contract as served, its answers, and the requests it takes."""

from collections.abc import Iterator

import pytest
import requests
import zeep
from lxml import etree

from ingest.engagements import Refusal
from ingest.handler import Faulted, FaultReason, NothingTaken, Pong, RefusalReason, Taken
from ingest.soap_replies import reply_to
from shared.base.clock import utcnow
from shared.booking.messages import RefusedEngagement
from shared.riv.engagements import Flaw
from shared.riv.soap import parse_envelope, parse_fault
from tests.contract.schemas import assert_conforms
from tests.gateway import Gateway, running_gateway
from tests.notifications import (
    NEVER_USED,
    SAMPLE,
    SUBSCRIBER,
    USED,
    engagement,
    envelope,
    request,
    transaction,
)

REFUSAL = Refusal(
    "engagementTransaction[2]",
    "sourceSystem",
    Flaw.EMPTY,
    RefusedEngagement(problem="engagement/sourceSystem is <&> ]]>"),
)
ADDRESS = {"LogicalAddress": SUBSCRIBER}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running_gateway(logical_address=SUBSCRIBER) as running:
        yield running


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> zeep.Client:
    """Made of nothing but what the gateway serves."""
    return zeep.Client(f"{gateway.url}/ProcessNotification?wsdl")


def test_zeep_calls_us_by_the_contract_we_serve(gateway: Gateway, client: zeep.Client) -> None:
    removed = {name: value for name, value in SAMPLE.items() if name != "mostRecentContent"}
    answer = client.service.ProcessNotification(
        engagementTransaction=[
            {"deleteFlag": False, "engagement": SAMPLE},
            {
                "deleteFlag": True,
                "engagement": {**removed, "businessObjectInstanceIdentifier": "booking-2"},
            },
        ],
        _soapheaders=ADDRESS,
    )
    assert (answer.ResultCode, answer.comment) == ("OK", None)
    first, second = gateway.broker.notifications[-1].engagements
    assert (first.deleted, second.deleted) == (False, True)
    assert (first.booking_id, second.booking_id) == ("booking-1", "booking-2")
    assert (first.most_recent_content, second.most_recent_content) == ("20271203090000", "")


def test_zeep_reads_our_errors_and_faults(gateway: Gateway, client: zeep.Client) -> None:
    odd = {"deleteFlag": False, "engagement": {**SAMPLE, "sourceSystem": " "}}
    sound = {"deleteFlag": False, "engagement": SAMPLE}
    refused = client.service.ProcessNotification(engagementTransaction=[odd], _soapheaders=ADDRESS)
    assert refused.ResultCode == "ERROR"
    assert refused.comment == "engagementTransaction[1]/engagement/sourceSystem is empty"
    partly = client.service.ProcessNotification(
        engagementTransaction=[sound, odd], _soapheaders=ADDRESS
    )
    assert partly.ResultCode == "INFO"
    assert partly.comment == "Left out: engagementTransaction[2]/engagement/sourceSystem is empty"
    with pytest.raises(zeep.exceptions.Fault, match="LogicalAddress") as caught:
        client.service.ProcessNotification(
            engagementTransaction=[sound], _soapheaders={"LogicalAddress": "SE-OTHER"}
        )
    assert caught.value.code == "soap:Client"


def test_zeep_pings_us(gateway: Gateway) -> None:
    client = zeep.Client(f"{gateway.url}/PingForConfiguration?wsdl")
    answer = client.service.PingForConfiguration(
        serviceContractNamespace="urn:riv:itintegration:engagementindex:ProcessNotificationResponder:1",
        logicalAddress=SUBSCRIBER,
        _soapheaders=ADDRESS,
    )
    assert answer.version
    assert len(answer.pingDateTime) == 14


def test_every_address_in_what_we_serve_leads_back_to_where_it_was_asked(gateway: Gateway) -> None:
    port = gateway.url.rpartition(":")[2]
    asked = f"http://localhost:{port}/ProcessNotification"
    seen, unread = set(), {f"{asked}?wsdl"}
    while unread:
        url = unread.pop()
        seen.add(url)
        reply = requests.get(url, timeout=9)
        assert reply.status_code == 200
        root = etree.fromstring(reply.content)
        unread |= {str(found) for found in root.xpath("//@schemaLocation")} - seen
        assert {str(found) for found in root.xpath("//@location")} <= {asked}
    assert len(seen) == 4
    assert all(url.startswith(asked) for url in seen)


@pytest.mark.parametrize(
    "answer",
    [
        Taken("id", 1, addressed=True),
        Taken("id", 1, addressed=True, refused=(REFUSAL,)),
        Pong(),
        NothingTaken(RefusalReason.INVALID, "engagementTransaction[1] <&> ]]>"),
    ],
)
def test_our_answers_conform(answer: Taken | Pong | NothingTaken) -> None:
    reply = reply_to(answer, utcnow)
    assert reply.status == 200
    assert_conforms(reply.body)


def test_our_faults_are_soap_faults() -> None:
    reply = reply_to(Faulted(FaultReason.OVERLOADED, "Server", "later", 503), utcnow)
    assert reply.status == 503
    fault = parse_fault(parse_envelope(etree.fromstring(reply.body)).body)
    assert fault is not None
    assert (fault.code, fault.text) == ("Server", "later")


RIGHT = {
    "plain": request(),
    "a thousand": request(1000),
    "removal": envelope(transaction(engagement(mostRecentContent=None), "1")),
    "without owner": envelope(transaction(engagement(owner=None))),
    "coordination number": envelope(
        transaction(engagement(registeredResidentIdentification="20121212T212"))
    ),
}


@pytest.mark.parametrize("document", RIGHT.values(), ids=RIGHT.keys())
def test_what_the_schemas_allow_is_taken(gateway: Gateway, document: bytes) -> None:
    assert_conforms(document)
    assert b"ResultCode>OK<" in gateway.post(document).content


FORBIDDEN = {
    "no transaction": request(0),
    "no flag": request().replace(b"e:deleteFlag", b"e:other"),
    "no boolean": request().replace(b">false<", b">no<"),
    **{f"without {name}": envelope(transaction(engagement(**{name: None}))) for name in USED},
    **{f"empty {name}": envelope(transaction(engagement(**{name: ""}))) for name in USED},
    **{
        f"too long {name}": envelope(transaction(engagement(**{name: "1" * 256})))
        for name in USED
        if name != "serviceDomain"
    },
    "no person": envelope(transaction(engagement(registeredResidentIdentification="1912-12-12"))),
}


@pytest.mark.parametrize("document", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_what_our_schema_forbids_of_what_is_used_is_refused(
    gateway: Gateway, document: bytes
) -> None:
    with pytest.raises(AssertionError):
        assert_conforms(document)
    before = len(gateway.broker.published)
    assert b"ResultCode>ERROR<" in gateway.post(document).content
    kept = gateway.broker.notifications[before:]
    assert [(one.engagements, len(one.refused)) for one in kept] == [((), 1)] * (
        document != FORBIDDEN["no transaction"]
    )


OF_NO_USE = {
    "more than a thousand": request(1200),
    "a domain too long to be ours": envelope(transaction(engagement(serviceDomain="1" * 256))),
    "no time": envelope(transaction(engagement(mostRecentContent="20271303090000"))),
    **{
        f"odd {name} {number}": envelope(transaction(engagement(**{name: value})))
        for name in NEVER_USED
        if name not in ("owner", "mostRecentContent")
        for number, value in enumerate((None, "", "1" * 256))
    },
    "a long owner": envelope(transaction(engagement(owner="1" * 256))),
}


@pytest.mark.parametrize("document", OF_NO_USE.values(), ids=OF_NO_USE.keys())
def test_what_the_schema_forbids_of_the_rest_costs_no_patient_a_message(
    gateway: Gateway, document: bytes
) -> None:
    with pytest.raises(AssertionError):
        assert_conforms(document)
    assert b"ResultCode>OK<" in gateway.post(document).content
