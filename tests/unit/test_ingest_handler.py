"""What the gateway answers: the cases of docs/domain.md, "Answers and re-sends"."""

from datetime import UTC, datetime

import pytest

from ingest.calls import Call
from ingest.handler import (
    Answer,
    Faulted,
    FaultReason,
    NothingTaken,
    NotificationHandler,
    Pong,
    RefusalReason,
    Taken,
    Unstored,
)
from shared.base.errors import Unavailable
from shared.booking.messages import Notification
from tests.notifications import (
    ENVELOPE,
    HAND_WRITTEN,
    REGISTRY,
    SAMPLE,
    SUBSCRIBER,
    engagement,
    envelope,
    request,
    transaction,
    transactions,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PING = "urn:riv:itintegration:monitoring:PingForConfigurationResponder:1"


class Queue:
    def __init__(self, trouble: Unavailable | None = None) -> None:
        self.stored: list[Notification] = []
        self._trouble = trouble

    def __call__(self, notification: Notification) -> None:
        if self._trouble:
            raise self._trouble
        self.stored.append(notification)


def answer(
    body: bytes, queue: Queue | None = None, *, logical_address: str = SUBSCRIBER, **call: str
) -> Answer | Unstored:
    handle = NotificationHandler(
        queue or Queue(),
        logical_address=logical_address,
        max_body_bytes=1_000_000,
        clock=lambda: NOW,
        name=lambda: "new-name",
    )
    return handle(Call(body, **call))


def enveloped(inner: str) -> bytes:
    header = f'<r:LogicalAddress xmlns:r="{REGISTRY}">{SUBSCRIBER}</r:LogicalAddress>'
    return (
        f'<s:Envelope xmlns:s="{ENVELOPE}"><s:Header>{header}</s:Header>'
        f"<s:Body>{inner}</s:Body></s:Envelope>"
    ).encode()


def test_a_request_becomes_one_message_with_what_came_with_it() -> None:
    queue = Queue()
    assert answer(request(3), queue, correlation_id="corr-1", caller="SE5565594230-EI") == Taken(
        "new-name", 3, addressed=True
    )
    (stored,) = queue.stored
    assert (stored.notification_id, stored.received_at) == ("new-name", NOW)
    assert (stored.correlation_id, stored.caller) == ("corr-1", "SE5565594230-EI")
    assert len(stored.engagements) == 3


#: An odd engagement: a person number of ten digits.
ODD = transaction(engagement(registeredResidentIdentification="1212121212"))
ODD_PROBLEM = "engagement/registeredResidentIdentification is not a person number of 12 characters"


def test_one_odd_engagement_is_left_out_and_goes_along() -> None:
    queue = Queue()
    said = answer(envelope(transactions(20) + ODD), queue)
    assert isinstance(said, Taken)
    assert said.comment == f"Left out: engagementTransaction[21]/{ODD_PROBLEM}"
    (stored,) = queue.stored
    assert len(stored.engagements) == said.engagements == 20
    (refused,) = stored.refused
    assert (refused.source_system, refused.problem) == (SAMPLE["sourceSystem"], ODD_PROBLEM)


def test_a_request_of_which_nothing_can_be_taken_is_an_error_and_is_kept_all_the_same() -> None:
    queue = Queue()
    said = answer(envelope(ODD * 7), queue)
    assert isinstance(said, NothingTaken)
    assert said.reason is RefusalReason.INVALID
    assert said.comment.startswith(f"engagementTransaction[1]/{ODD_PROBLEM}; ")
    assert said.comment.endswith("; and 2 more")
    (stored,) = queue.stored
    assert (stored.engagements, len(stored.refused)) == ((), 7)
    assert said.notification_id == stored.notification_id


def test_a_request_without_engagements_is_an_error_and_stores_nothing() -> None:
    queue = Queue()
    said = answer(request(0), queue)
    assert said == NothingTaken(RefusalReason.INVALID, "engagementTransaction is missing")
    assert queue.stored == []


def test_odd_engagements_of_another_domain_are_ok_and_not_stored() -> None:
    queue = Queue()
    foreign = engagement(serviceDomain="TEST", registeredResidentIdentification="1212121212")
    said = answer(envelope(transaction(foreign)), queue)
    assert said == Taken("", 0, addressed=True, ignored=1)
    assert queue.stored == []


def test_while_the_broker_is_away_the_answer_waits_for_it() -> None:
    away = Queue(Unavailable("queue_unavailable", "BrokerUnavailable"))
    said = answer(envelope(transactions(2) + ODD), away)
    assert isinstance(said, Unstored)
    assert isinstance(said.answer, Taken)
    assert (len(said.notification.engagements), len(said.notification.refused)) == (2, 1)
    assert said.answer.notification_id == said.notification.notification_id


def test_a_bug_behind_the_queue_is_not_swallowed() -> None:
    class Broken(Queue):
        def __call__(self, notification: Notification) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answer(request(), Broken())


@pytest.mark.parametrize(
    ("body", "reason", "code"),
    [
        (b"hello", FaultReason.MALFORMED_XML, "Client"),
        (b"", FaultReason.MALFORMED_XML, "Client"),
        (b"<!DOCTYPE a>" + request()[38:], FaultReason.MALFORMED_XML, "Client"),
        (request()[:-20], FaultReason.MALFORMED_XML, "Client"),
        (b"<html/>", FaultReason.NOT_SOAP, "Client"),
        (enveloped(""), FaultReason.NOT_SOAP, "Client"),
        (enveloped("<a/>"), FaultReason.OTHER_CONTRACT, "Client"),
        (
            enveloped(
                '<u:Update xmlns:u="urn:riv:itintegration:engagementindex:UpdateResponder:1"/>'
            ),
            FaultReason.OTHER_CONTRACT,
            "Client",
        ),
        (
            request().replace(ENVELOPE.encode(), b"http://www.w3.org/2003/05/soap-envelope"),
            FaultReason.NOT_SOAP,
            "VersionMismatch",
        ),
    ],
)
def test_what_is_no_call_of_ours_is_a_fault_of_the_client(
    body: bytes, reason: FaultReason, code: str
) -> None:
    said = answer(body)
    assert isinstance(said, Faulted)
    assert (said.reason, said.code, said.status) == (reason, code, 500)


def headed(block: str) -> bytes:
    """A request with `block` in its SOAP header, `s:` being SOAP 1.1."""
    return request().replace(b"<s:Header>", b"<s:Header>" + block.encode())


UNDERSTOOD = (
    f'<a:LogicalAddress xmlns:a="{REGISTRY}" s:mustUnderstand="1">{SUBSCRIBER}</a:LogicalAddress>'
)
NEXT = "http://schemas.xmlsoap.org/soap/actor/next"


@pytest.mark.parametrize(
    "block",
    [
        '<x:Security xmlns:x="urn:x" s:mustUnderstand="1"/>',
        '<x:Security xmlns:x="urn:x" s:mustUnderstand="true"/>',
        f'<x:Security xmlns:x="urn:x" s:mustUnderstand="1" s:actor="{NEXT}"/>',
    ],
)
def test_a_header_that_must_be_understood_and_is_not_is_a_fault(block: str) -> None:
    queue = Queue()
    said = answer(headed(block), queue)
    assert isinstance(said, Faulted)
    assert (said.reason, said.code) == (FaultReason.NOT_UNDERSTOOD, "MustUnderstand")
    assert queue.stored == []


@pytest.mark.parametrize(
    "block",
    [
        '<x:Security xmlns:x="urn:x"/>',
        '<x:Security xmlns:x="urn:x" s:mustUnderstand="0"/>',
        '<x:Security xmlns:x="urn:x" s:mustUnderstand="1" s:actor="urn:another"/>',
        UNDERSTOOD,
    ],
)
def test_other_headers_do_not_hinder_a_request(block: str) -> None:
    assert isinstance(answer(headed(block)), Taken)


def test_another_subscribers_request_is_a_fault_whatever_it_holds() -> None:
    for body in (request(logical_address="SE1-OTHER"), request(0, logical_address="SE1-OTHER")):
        said = answer(body)
        assert isinstance(said, Faulted)
        assert said.reason is FaultReason.WRONG_ADDRESS
        assert "SE1-OTHER" not in said.text


@pytest.mark.parametrize("written", [SUBSCRIBER, SUBSCRIBER.lower(), f"\n {SUBSCRIBER} "])
def test_our_address_is_ours_however_it_is_written(written: str) -> None:
    assert isinstance(answer(request(logical_address=written)), Taken)


def test_a_request_without_an_address_is_taken_and_said_to_have_none() -> None:
    assert answer(request(logical_address=None)) == Taken("new-name", 1, addressed=False)


def test_any_address_is_taken_when_none_is_set() -> None:
    assert isinstance(answer(request(logical_address="SE1-OTHER"), logical_address=""), Taken)


def test_a_request_written_by_hand_is_taken() -> None:
    assert isinstance(answer(HAND_WRITTEN), Taken)


def test_a_ping_is_answered_to_whomever_it_is_addressed() -> None:
    assert answer(enveloped(f'<p:PingForConfiguration xmlns:p="{PING}"/>')) == Pong()
    assert (
        answer(
            enveloped(f'<p:PingForConfiguration xmlns:p="{PING}"/>').replace(
                SUBSCRIBER.encode(), b"SE1"
            )
        )
        == Pong()
    )


def test_no_answer_quotes_the_request() -> None:
    wrong = request().replace(b"191212121212", b"19121212-1212")
    for body in (wrong, request() + b"191212121212", enveloped("<x>191212121212</x>")):
        assert "1912" not in str(answer(body))
