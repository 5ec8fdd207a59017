"""The gateway over HTTP: what is taken, what is refused, and that it stays up."""

import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from shared.relay.broker import BrokerUnavailable, PublishRefused
from tests.gateway import (
    Gateway,
    PromptBroker,
    ToldBroker,
    closed,
    connect,
    running_gateway,
)
from tests.idle_connections import idle_connections
from tests.notifications import (
    HAND_WRITTEN,
    SAMPLE,
    SUBSCRIBER,
    engagement,
    envelope,
    request,
    transaction,
    transactions,
)
from tests.polling import eventually

OK = b"<ei:ResultCode>OK</ei:ResultCode>"
INFO = b"<ei:ResultCode>INFO</ei:ResultCode>"
ERROR = b"<ei:ResultCode>ERROR</ei:ResultCode>"


@pytest.fixture(params=[ToldBroker, PromptBroker], ids=["threads wait", "nobody waits"])
def gateway(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    with running_gateway(
        made=request.param, logical_address=SUBSCRIBER, ingest_broker_wait_seconds=0.2
    ) as running:
        yield running


def head(length: int, *more: str) -> bytes:
    lines = ["POST /ProcessNotification HTTP/1.1", "Host: x", f"Content-Length: {length}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def test_ok_is_said_when_the_message_is_in_the_queue(gateway: Gateway) -> None:
    reply = gateway.post(
        request(2),
        x_skltp_correlation_id="corr-1",
        x_rivta_original_serviceconsumer_hsaid="SE5565594230-EI",
    )
    assert reply.status_code == 200
    assert OK in reply.content
    assert reply.headers["content-type"] == "text/xml; charset=utf-8"
    (stored,) = gateway.broker.notifications
    assert (stored.correlation_id, stored.caller) == ("corr-1", "SE5565594230-EI")
    (published,) = gateway.broker.published
    assert (published.key, published.envelope.message_id) == ("filter", stored.notification_id)


def test_hand_written_and_full_requests_are_taken(gateway: Gateway) -> None:
    assert OK in gateway.post(HAND_WRITTEN).content
    assert OK in gateway.post(request(1000)).content
    assert [len(one.engagements) for one in gateway.broker.notifications] == [1, 1000]


@pytest.mark.parametrize("trouble", [BrokerUnavailable("away"), PublishRefused("queue is full")])
def test_our_trouble_is_a_fault_and_passes(
    gateway: Gateway, trouble: BrokerUnavailable | PublishRefused
) -> None:
    gateway.broker.trouble = trouble
    reply = gateway.post(request())
    assert reply.status_code == 500
    assert b"<faultcode>soap:Server</faultcode>" in reply.content
    assert gateway.get("/readyz").status_code == 503
    assert gateway.get("/healthz").status_code == 200
    gateway.broker.trouble = None
    assert gateway.get("/readyz").json() == {"broker": True}
    assert OK in gateway.post(request()).content


def test_a_bug_of_ours_is_a_fault_and_passes(gateway: Gateway) -> None:
    gateway.broker.trouble = ZeroDivisionError()  # type: ignore[assignment]
    reply = gateway.post(request())
    assert (reply.status_code, b"soap:Server" in reply.content) == (500, True)
    gateway.broker.trouble = None
    assert OK in gateway.post(request()).content


def test_what_can_never_be_taken_is_an_error_that_names_the_element(gateway: Gateway) -> None:
    missing = gateway.post(request().replace(b"sourceSystem>", b"sourceSistem>"))
    nothing = gateway.post(request(0))
    for reply in (missing, nothing):
        assert reply.status_code == 200
        assert ERROR in reply.content
    assert b"engagementTransaction[1]/engagement/sourceSystem is missing" in missing.content
    assert b"engagementTransaction is missing" in nothing.content
    (kept,) = gateway.broker.notifications
    assert (kept.engagements, len(kept.refused)) == ((), 1)


def test_one_odd_engagement_among_twenty_costs_the_others_nothing(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    odd = transaction(engagement(registeredResidentIdentification="1212121212"))
    labels = {"element": "registeredResidentIdentification", "flaw": "wrong_form"}
    name = "budkavle_ingest_engagements_refused_total"
    before = REGISTRY.get_sample_value(name, labels) or 0
    with capture_logs() as lines:
        reply = gateway.post(envelope(transactions(20) + odd))
    assert INFO in reply.content
    assert b"engagementTransaction[21]/engagement/registeredResidentIdentification" in reply.content
    (stored,) = gateway.broker.notifications
    assert (len(stored.engagements), len(stored.refused)) == (20, 1)
    assert REGISTRY.get_sample_value(name, labels) == before + 1
    (line,) = [one for one in lines if one["event"] == "engagements_refused"]
    assert line["source"] == SAMPLE["sourceSystem"]
    assert labels.items() <= line.items()
    assert "1212121212" not in f"{lines} {reply.text} {caplog.text}"


def test_more_than_a_thousand_are_taken_and_stored_in_parts_if_need_be() -> None:
    with running_gateway(ingest_max_message_bytes=256 * 1024) as gateway:
        assert OK in gateway.post(request(1200)).content
        parts = gateway.broker.notifications
        assert len(parts) > 1
        bookings = [one.booking_id for part in parts for one in part.engagements]
        assert bookings == [f"booking-{number}" for number in range(1, 1201)]


def test_hostile_documents_are_refused_and_the_gateway_stays_up(gateway: Gateway) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    laughs = f'<!DOCTYPE a [<!ENTITY e0 "ha">{entities}]><a>&e11;</a>'.encode()
    external = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    for body in (laughs, external, b"hello", b""):
        reply = gateway.post(body)
        assert reply.status_code == 500
        assert b"<faultcode>soap:Client</faultcode>" in reply.content
        assert b"root:" not in reply.content
    assert OK in gateway.post(request()).content


def test_fifty_megabytes_are_refused_without_being_held(gateway: Gateway) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = gateway.post(b"<a>" + b"x" * 50_000_000 + b"</a>")
    streamed = requests.post(
        f"{gateway.url}/ProcessNotification",
        (b"x" * 100_000 for _ in range(500)),
        headers={"Content-Type": "text/xml"},
        timeout=30,
    )
    assert (told.status_code, streamed.status_code) == (413, 413)
    assert b"soap:Client" in told.content
    grown_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kilobytes < 130_000  # this process also holds the 50 MB that were sent, twice
    assert OK in gateway.post(request()).content


def test_the_answer_to_a_body_too_large_does_not_wait_for_it(gateway: Gateway) -> None:
    with connect(gateway) as connection:
        connection.sendall(head(50_000_000) + b"<a>")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": "application/soap+xml"}, 415),
        ({"Content_Type": "multipart/related; type=text/xml"}, 415),
        ({"Content_Encoding": "gzip"}, 415),
        ({"Content_Type": "text/xml; charset=klingon"}, 500),
        ({"Content_Type": "application/xml"}, 200),
        ({"Content_Type": "text/plain"}, 200),
        ({"Content_Type": 'text/xml; Charset="UTF-8"'}, 200),
    ],
)
def test_content_types(gateway: Gateway, headers: dict[str, str], status: int) -> None:
    reply = gateway.post(request(), **headers)
    assert reply.status_code == status
    assert len(gateway.broker.published) == (status == 200)


def test_an_id_that_is_none_is_left_out(gateway: Gateway) -> None:
    gateway.post(request(), x_skltp_correlation_id="x" * 200)
    gateway.post(request(), x_skltp_correlation_id="caf\xe9")
    assert [one.correlation_id for one in gateway.broker.notifications] == ["", ""]


def test_other_pages_and_methods(gateway: Gateway) -> None:
    assert gateway.get("/ProcessNotification").status_code == 405
    assert gateway.get("/ProcessNotification?xsd=../../../pyproject.toml").status_code == 404
    assert gateway.get("/elsewhere").status_code == 404
    assert gateway.get("/metrics").status_code == 404
    assert requests.put(f"{gateway.url}/ProcessNotification", b"", timeout=9).status_code == 405


def test_requests_beyond_the_limit_are_told_to_come_again() -> None:
    with running_gateway(ingest_max_in_flight=2) as gateway, ThreadPoolExecutor(3) as senders:
        gateway.broker.open.clear()
        first = [senders.submit(gateway.post, request()) for _ in range(2)]
        eventually(lambda: gateway.broker.waiting == 2)
        refused = gateway.post(request())
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert b"soap:Server" in refused.content
        gateway.broker.open.set()
        assert all(OK in one.result().content for one in first)
        assert OK in gateway.post(request()).content
        assert len(gateway.broker.published) == 3


def test_no_more_bytes_are_held_than_allowed() -> None:
    body = request(1)
    with running_gateway(ingest_max_held_bytes=len(body) + 10) as gateway:
        with connect(gateway) as slow:
            slow.sendall(head(len(body)) + body[:100])
            eventually(lambda: gateway.post(body).status_code == 503)
            slow.sendall(body[100:])
            assert slow.recv(100).startswith(b"HTTP/1.1 200")
        assert gateway.post(body).status_code == 200


@pytest.mark.parametrize("sent", [b"", head(100)[:30], b"\r\n"])
def test_a_connection_without_a_request_is_closed(sent: bytes) -> None:
    with running_gateway(ingest_read_seconds=0.5) as gateway, connect(gateway) as connection:
        started = time.monotonic()
        connection.sendall(sent)
        assert closed(connection)
        assert 0.4 < time.monotonic() - started < 5


def test_a_body_that_trickles_is_cut_off_and_nothing_of_it_is_taken() -> None:
    body = request()
    with running_gateway(ingest_read_seconds=0.5) as gateway, connect(gateway) as connection:
        connection.sendall(head(len(body)) + body[:-1])
        reply = connection.recv(1000)
        assert reply.startswith(b"HTTP/1.1 408")
        assert b"connection: close" in reply.lower()
        assert closed(connection)
        assert gateway.broker.published == []


def test_a_sender_who_leaves_in_the_middle_leaves_nothing(gateway: Gateway) -> None:
    body = request()
    with connect(gateway) as connection:
        connection.sendall(head(len(body)) + body[:-1])
    assert OK in gateway.post(request()).content
    assert len(gateway.broker.published) == 1


def test_endless_headers_are_cut_off(gateway: Gateway) -> None:
    with connect(gateway) as connection:
        connection.sendall(head(1)[:-2] + b"X-Long: ")
        with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe, as it happens
            connection.sendall(b"x" * 10_000_000)
    assert OK in gateway.post(request()).content


def test_of_connections_beyond_the_limit_the_longest_idle_is_closed() -> None:
    with running_gateway(ingest_max_connections=2) as gateway:
        with connect(gateway) as first, connect(gateway), connect(gateway) as third:
            assert closed(first)
            third.sendall(head(5) + b"hello")
            assert third.recv(100).startswith(b"HTTP/1.1 500")
        eventually(lambda: answers(gateway))


def test_one_whose_request_is_being_read_is_not_closed_for_another() -> None:
    body = request()
    with running_gateway(ingest_max_connections=1) as gateway, connect(gateway) as first:
        first.sendall(head(len(body), "Expect: 100-continue"))
        assert first.recv(100).startswith(b"HTTP/1.1 100")
        with connect(gateway) as second:
            assert closed(second)
        first.sendall(body)
        assert first.recv(100).startswith(b"HTTP/1.1 200")


def test_kept_connections_of_others_keep_no_request_out() -> None:
    get = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with running_gateway(ingest_max_connections=50) as gateway:
        with idle_connections(gateway.url, 50, get):
            assert OK in gateway.post(request()).content
            assert OK in gateway.post(request()).content
        assert len(gateway.broker.published) == 2


def test_one_connection_carries_many_requests(gateway: Gateway) -> None:
    with requests.Session() as session:
        for body in (request(), b"hello", request(0), request()):
            reply = session.post(f"{gateway.url}/ProcessNotification", body, timeout=9)
            assert reply.headers.get("connection") != "close"
    assert len(gateway.broker.published) == 2


OFFER = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")


@pytest.mark.parametrize("pause", [False, True], ids=["in one piece", "head first"])
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_an_offer_of_http_2_is_passed_over(gateway: Gateway, pause: bool, chunked: bool) -> None:
    """As Java's HTTP client makes with every request in plain text."""
    body = request()
    start = head(len(body), *OFFER)
    if chunked:
        start = start.replace(
            f"Content-Length: {len(body)}".encode(), b"Transfer-Encoding: chunked"
        )
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    with connect(gateway) as connection:
        for count in (1, 2):
            connection.sendall(start if pause else start + body)
            if pause:
                eventually(lambda: gateway.get("/healthz"))
                connection.sendall(body)
            reply = connection.recv(10_000)
            assert reply.startswith(b"HTTP/1.1 200")
            assert OK in reply
            assert len(gateway.broker.published) == count


def test_a_thousand_offers_at_once_are_read_one_by_one(gateway: Gateway) -> None:
    body = request()
    with connect(gateway) as connection:
        connection.sendall((head(len(body), *OFFER) + body) * 1000)
        answered = 0
        while answered < 1000 and (received := connection.recv(65536)):
            answered += received.count(b"</soap:Envelope>")
    assert answered == len(gateway.broker.published) == 1000


def test_nobody_is_connected_through_us(gateway: Gateway) -> None:
    with connect(gateway) as connection:
        connection.sendall(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
        assert closed(connection)


def test_a_caller_behind_a_proxy_is_admitted_by_its_header() -> None:
    with running_gateway(
        ingest_callers="SE5565594230-EI",
        ingest_proxies="127.0.0.1",
        ingest_caller_header="x-client-hsaid",
    ) as gateway:
        refused = gateway.post(request())
        assert refused.status_code == 403
        assert b"soap:Client" in refused.content
        assert gateway.post(request(), x_client_hsaid="SE1").status_code == 403
        assert OK in gateway.post(request(), x_client_hsaid="se5565594230-ei").content
        assert len(gateway.broker.published) == 1


def test_a_forwarded_address_makes_nobody_a_proxy() -> None:
    with running_gateway(
        ingest_callers="SE-EI", ingest_proxies="10.9.9.9", ingest_caller_header="x-client-hsaid"
    ) as gateway:
        reply = gateway.post(request(), x_client_hsaid="SE-EI", x_forwarded_for="10.9.9.9")
        assert reply.status_code == 403


def answers(gateway: Gateway) -> bool:
    try:
        return gateway.get("/healthz").status_code == 200
    except requests.ConnectionError:
        return False


def timed(gateway: Gateway, body: bytes) -> float:
    started = time.perf_counter()
    assert OK in gateway.post(body).content
    return time.perf_counter() - started


def test_a_confirm_that_does_not_come_is_a_fault_in_time() -> None:
    with running_gateway(
        made=PromptBroker, ingest_publish_seconds=0.2, ingest_broker_wait_seconds=0
    ) as gateway:
        gateway.broker.open.clear()
        assert b"soap:Server" in gateway.post(request()).content
        gateway.broker.open.set()
        assert OK in gateway.post(request()).content


def test_small_requests_wait_in_no_thread_for_their_confirms() -> None:
    with (
        running_gateway(made=PromptBroker, ingest_threads=1) as gateway,
        ThreadPoolExecutor(8) as senders,
    ):
        gateway.broker.open.clear()
        waiting = [senders.submit(gateway.post, request()) for _ in range(8)]
        eventually(lambda: gateway.broker.waiting == 8)
        gateway.broker.open.set()
        assert all(OK in one.result().content for one in waiting)
