"""GetBookingDetails over real HTTP: what stands on the wire, and what every trouble becomes."""

import gzip
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Event

import pycurl
import pytest
from lxml import etree

from fetcher.answers import Answer, CallFailed, FetchRetryReason, ShortTrouble
from fetcher.bookings_client import BookingsClient
from fetcher.platform import Platform, TimeOuts, translated
from shared.base.clock import utcnow
from shared.riv.soap import fault
from tests.booking_samples import BOOKING, PATIENT, reply, response
from tests.source_server import Answering, Call, SourceServer, answer_well, source_server


@pytest.fixture
def server() -> Iterator[SourceServer]:
    with source_server() as running:
        yield running


def client_of(
    url: str,
    *,
    connect_seconds: float = 0.5,
    read_seconds: float = 5,
    max_bytes: int = 100_000,
    consumer: str = "SE-OURS",
) -> BookingsClient:
    time_outs = TimeOuts(connect_seconds, read_seconds)
    platform = Platform(url, time_outs=time_outs, connections=8, max_bytes=max_bytes)
    return BookingsClient(
        platform,
        consumer=consumer,
        unknown_booking=re.compile("Unknown booking"),
        max_reply_bytes=max_bytes,
        clock=utcnow,
    )


def ask(client: BookingsClient, correlation_id: str = "corr-1") -> Answer:
    return client.get_booking_details(BOOKING, correlation_id)


def failure(client: BookingsClient) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        ask(client)
    assert PATIENT not in str(caught.value)
    return caught.value


def test_the_request_on_the_wire(server: SourceServer) -> None:
    before = utcnow()
    answer = ask(client_of(server.url))
    assert before <= answer.asked_at <= utcnow()
    assert answer.timeslot is not None
    assert answer.timeslot.booking_id == "B-1"
    (call,) = server.calls
    assert call.path == "/vp/GetBookingDetails/1?x=1"
    assert call.headers["content-type"] == "text/xml; charset=utf-8"
    assert call.headers["soapaction"] == (
        '"urn:riv:crm:scheduling:GetBookingDetailsResponder:1:GetBookingDetails"'
    )
    assert call.headers["x-skltp-correlation-id"] == "corr-1"
    assert call.headers["x-rivta-original-serviceconsumer-hsaid"] == "SE-OURS"
    root = etree.fromstring(call.body)
    assert [element.text for element in root.iter() if element.text] == [
        BOOKING.logical_address,
        PATIENT,
        "subject_of_care",
        BOOKING.logical_address,
        "B-1",
    ]


@pytest.mark.parametrize("odd", ["", "a\r\nx-evil: 1", "blank inside", "å", "x" * 300])
def test_a_correlation_id_that_is_none_is_not_sent(server: SourceServer, odd: str) -> None:
    ask(client_of(server.url, consumer=""), odd)
    names = server.calls[0].headers.keys()
    assert not {"x-skltp-correlation-id", "x-evil"} & names
    assert "x-rivta-original-serviceconsumer-hsaid" not in names


def test_a_consumer_in_letters_that_no_hsa_id_has_is_sent_as_it_is(server: SourceServer) -> None:
    ask(client_of(server.url, consumer="SE-VÅR"))
    assert server.calls[0].headers["x-rivta-original-serviceconsumer-hsaid"] == "SE-VÅR"


def test_characters_that_xml_reserves_arrive_as_they_are(server: SourceServer) -> None:
    odd = BOOKING.model_copy(update={"booking_id": "<B&\"'>å"})
    client_of(server.url).get_booking_details(odd, "")
    assert etree.fromstring(server.calls[0].body)[1][0][1].text == "<B&\"'>å"


def test_connections_are_used_again(server: SourceServer) -> None:
    client = client_of(server.url)
    for _ in range(20):
        ask(client)
    assert server.connections == 1


def test_many_threads_share_the_connections(server: SourceServer) -> None:
    client = client_of(server.url, connect_seconds=5)
    bookings = [BOOKING.model_copy(update={"booking_id": f"B-{n}"}) for n in range(100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda booking: client.get_booking_details(booking, ""), bookings))
    assert server.connections <= 8
    asked = {etree.fromstring(call.body)[1][0][1].text for call in server.calls}
    assert asked == {booking.booking_id for booking in bookings}


def trickle(call: Call) -> None:
    call.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        call.write(b"<")
        time.sleep(0.05)


def half_a_reply(call: Call) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {len(reply())}\r\n\r\n"
    call.write(head.encode() + reply()[:300])


def half_a_reply_without_length(call: Call) -> None:
    call.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n" + reply()[:-60])


def answering(status: int, body: bytes = b"", kind: str = "text/xml") -> Answering:
    return lambda call: call.answer(status, body, kind)


BAD, GONE, LATE = (
    FetchRetryReason.BAD_STATUS,
    FetchRetryReason.UNREACHABLE,
    FetchRetryReason.TIMED_OUT,
)
ODD, FAULT = FetchRetryReason.UNREADABLE, FetchRetryReason.FAULT
HTML = b"<html><body><p>Service <b>unavailable</p></html>"


@pytest.mark.parametrize(
    ("trouble", "reason", "calls"),
    [
        (answering(500, fault("Server", "oj"), "text/xml"), FAULT, 1),
        (answering(200, fault("Server", "oj"), "text/xml"), FAULT, 1),
        (answering(500, reply()), BAD, 1),
        (answering(500, HTML, "text/html"), ODD, 1),
        (answering(500), ODD, 1),
        (answering(200, HTML, "text/html"), ODD, 1),
        (answering(200), ODD, 1),
        (answering(302), BAD, 1),
        (answering(403, HTML, "text/html"), BAD, 1),
        (answering(404), BAD, 1),
        (answering(502, HTML, "text/html"), BAD, 3),
        (answering(503), BAD, 3),
        (answering(504, fault("Server", "late")), BAD, 3),
        (Call.hang_up, GONE, 3),
        (Call.reset, GONE, 3),
        (half_a_reply, GONE, 3),
        (half_a_reply_without_length, ODD, 1),
        (lambda call: call.write(b"garbage\r\n\r\n"), GONE, 3),
    ],
)
def test_troubles_and_how_often_each_is_tried(
    server: SourceServer, trouble: Answering, reason: FetchRetryReason, calls: int
) -> None:
    server.always = trouble
    error = failure(client_of(server.url))
    assert error.reason is reason
    assert error.source_works is (reason is ODD)
    assert len(server.calls) == calls


@pytest.mark.parametrize("trouble", [Call.hang_up, Call.reset, answering(503), half_a_reply])
def test_a_short_trouble_is_smoothed_within_the_call(
    server: SourceServer, trouble: Answering
) -> None:
    failed: list[datetime] = []
    server.answers = [lambda call: failed.append(utcnow()) or trouble(call)] * 2
    answer = ask(client_of(server.url))
    assert answer.timeslot is not None
    assert len(server.calls) == 3
    # The state is as new as the call that was answered, not as the first one.
    assert answer.asked_at > failed[-1]


def test_a_connection_the_server_closed_while_idle_costs_nothing(server: SourceServer) -> None:
    server.answers = [lambda call: (answer_well(call), call.hang_up())[0]]
    client = client_of(server.url)
    ask(client)
    ask(client)
    assert len(server.calls) == 2


def test_a_source_that_does_not_answer_is_given_up_and_not_tried_again(
    server: SourceServer,
) -> None:
    over = Event()
    server.always = lambda _call: over.wait(5) and None
    started = time.monotonic()
    assert failure(client_of(server.url, read_seconds=0.3)).reason is LATE
    assert time.monotonic() - started < 2
    assert len(server.calls) == 1
    over.set()


def test_silence_is_given_up_without_the_time_for_connecting(server: SourceServer) -> None:
    over = Event()
    server.always = lambda _call: over.wait(10) and None
    platform = Platform(server.url, time_outs=TimeOuts(8, 1), connections=1, max_bytes=1000)
    started = time.monotonic()
    with pytest.raises(CallFailed) as caught:
        platform.post(b"", {})
    assert caught.value.reason is LATE
    assert time.monotonic() - started < 5
    over.set()


def test_a_reply_that_trickles_is_given_up_as_a_whole(server: SourceServer) -> None:
    server.always = trickle
    started = time.monotonic()
    assert failure(client_of(server.url, read_seconds=0.3)).reason is LATE
    assert time.monotonic() - started < 3


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        started = time.monotonic()
        assert failure(client_of(f"http://127.0.0.1:{port}/")).reason is GONE
        assert time.monotonic() - started < 3


def test_a_connection_that_is_not_taken_times_out() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for other in waiting:
            other.setblocking(False)
            other.connect_ex(("127.0.0.1", port))
        assert failure(client_of(f"http://127.0.0.1:{port}/")).reason is LATE
        for other in waiting:
            other.close()


def test_a_longer_reply_than_we_take_is_not_read_to_its_end(server: SourceServer) -> None:
    sent: list[int] = []

    def endless(call: Call) -> None:
        call.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n")
        for number in range(1000):
            call.write(b"x" * 65_536)
            sent.append(number)

    server.answers = [endless]
    client = client_of(server.url, max_bytes=200_000)
    assert failure(client).reason is ODD
    ask(client)
    assert len(sent) < 1000 or server.connections == 2


@pytest.mark.parametrize(
    "unknown",
    [
        answering(200, response("")),
        answering(500, fault("Server", "Unknown booking")),
        answering(200, fault("Server", "Unknown booking")),
    ],
)
def test_an_unknown_booking(server: SourceServer, unknown: Answering) -> None:
    server.always = unknown
    assert ask(client_of(server.url)).timeslot is None


def test_a_latin_1_reply_by_its_http_header(server: SourceServer) -> None:
    content = reply().decode().encode("iso-8859-1")
    server.always = answering(200, content, 'text/xml; charset="ISO-8859-1"')
    timeslot = ask(client_of(server.url)).timeslot
    assert timeslot is not None
    assert timeslot.details.unit_name == "Vårdcentralen Åsen"


def compressed(content: bytes) -> Answering:
    packed = gzip.compress(content)
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Encoding: gzip\r\n"
    return lambda call: call.write(f"{head}Content-Length: {len(packed)}\r\n\r\n".encode() + packed)


def test_a_reply_that_is_compressed_unasked(server: SourceServer) -> None:
    server.always = compressed(reply())
    assert ask(client_of(server.url)) is not None
    assert server.calls[0].headers["accept-encoding"] == "identity"


def test_a_reply_that_unpacks_to_far_more_than_we_take(server: SourceServer) -> None:
    server.always = compressed(reply() + b" " * 20_000_000)
    assert failure(client_of(server.url)).reason is ODD


def test_no_proxy_is_taken_from_the_environment(
    server: SourceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert ask(client_of(server.url)).timeslot is not None


ERRORS = {code for name, code in vars(pycurl).items() if name.startswith("E_")}


@pytest.mark.parametrize("code", [*ERRORS, 9999])
def test_no_error_of_the_library_is_missed(code: int) -> None:
    error = translated(code)
    late = code == pycurl.E_OPERATION_TIMEDOUT
    assert error.reason is (LATE if late else GONE)
    assert re.fullmatch(r"E_\w+", str(error))
    assert not (late and isinstance(error, ShortTrouble))
