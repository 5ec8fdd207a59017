"""The sandbox's HTTP: messages in pieces, in a row, in chunks; and what is none."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from sandbox.http_wire import BadMessage, RequestReader, parse_response
from tests.sandbox_world import RunningWorld, running_world

pytestmark = pytest.mark.slow

POST = b"POST /a%20b/c?times=yes HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture(scope="module")
def world() -> Iterator[RunningWorld]:
    with running_world() as running:
        yield running


def test_a_request_is_whole_only_with_its_last_byte() -> None:
    reader = RequestReader()
    for byte in POST[:-1]:
        reader.feed(bytes([byte]))
        assert reader.take() is None
    reader.feed(POST[-1:])
    request = reader.take()
    assert request is not None
    assert request.segments == ["a b", "c"]
    assert (request.query, request.body) == ({"times": "yes"}, b"hello")
    assert reader.take() is None


def test_requests_in_a_row_are_taken_one_by_one() -> None:
    reader = RequestReader()
    reader.feed(POST + POST.replace(b"hello", b"there"))
    taken = [reader.take(), reader.take()]
    assert [request and request.body for request in taken] == [b"hello", b"there"]


def test_a_chunked_body_is_put_together() -> None:
    reader = RequestReader()
    reader.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n")
    assert reader.take() is None
    reader.feed(b"0\r\n\r\n" + POST)
    request = reader.take()
    assert request is not None
    assert request.body == b"hello"
    assert reader.take() is not None


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"x" * 70_000,
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    reader = RequestReader()
    reader.feed(data)
    with pytest.raises(BadMessage):
        reader.take()


def test_a_request_before_a_bad_one_is_taken() -> None:
    reader = RequestReader()
    reader.feed(POST + b"hello\r\n\r\n")
    assert reader.take() is not None
    with pytest.raises(BadMessage):
        reader.take()


def test_a_head_without_end_is_refused() -> None:
    reader = RequestReader()
    reader.feed(b"GET / HTTP/1.1\r\n")
    for number in range(70):
        reader.feed(b"X-%d: %s\r\n" % (number, b"x" * 1000))
    with pytest.raises(BadMessage, match="too long"):
        reader.take()


def test_an_offer_to_upgrade_costs_no_body() -> None:
    offer = b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"
    reader = RequestReader()
    reader.feed(POST.replace(b"\r\n\r\n", offer) + POST)
    taken = [reader.take(), reader.take()]
    assert [request and request.body for request in taken] == [b"hello", b"hello"]
    assert reader.take() is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, b"ok")),
        (b"HTTP/1.0 500 Bad\r\n\r\nall the rest", (500, b"all the rest")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            (200, b"ok"),
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            (200, b"ok"),
        ),
        (b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", (204, b"")),
    ],
)
def test_responses_are_read(data: bytes, expected: tuple[int, bytes]) -> None:
    assert parse_response(data) == expected


@pytest.mark.parametrize(
    "data", [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok"]
)
def test_half_a_response_is_none(data: bytes) -> None:
    with pytest.raises(BadMessage):
        parse_response(data)


def _talk(world: RunningWorld, data: bytes) -> bytes:
    """All that the control API says until it closes."""
    address = urlsplit(world.addresses.control)
    with socket.create_connection((address.hostname or "", address.port or 0), 5) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_connection_is_kept_until_the_client_wants_it_closed(world: RunningWorld) -> None:
    first = b"GET /sms HTTP/1.1\r\nHost: x\r\n\r\n"
    said = _talk(world, first + first.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert said.count(b"200 OK") == 2


def test_bad_requests_are_answered_and_closed(world: RunningWorld) -> None:
    assert _talk(world, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_a_client_that_asks_first_is_told_to_go_on(world: RunningWorld) -> None:
    address = urlsplit(world.addresses.control)
    with socket.create_connection((address.hostname or "", address.port or 0), 5) as connection:
        connection.sendall(
            b"PUT /bookings HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"[")
        connection.sendall(b"]")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
