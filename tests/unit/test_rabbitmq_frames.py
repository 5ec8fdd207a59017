"""Our frames are pika's, byte for byte, and what is out of the ordinary is left to it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import frame, spec

from shared.relay.broker import Envelope
from shared.relay.rabbitmq.frames import publish_frames, whole_delivery
from shared.relay.rabbitmq.wire import properties_of

LONGEST = 100
PROPERTIES = properties_of(Envelope("name of the message", b""))
DELIVER = frame.Method(1, spec.Basic.Deliver("ctag", 1, False, "budkavle", "filter")).marshal()


def by_pika(method: Any, properties: Any, body: bytes, *, channel: int = 1) -> bytes:
    frames = [frame.Method(channel, method), frame.Header(channel, len(body), properties)]
    pieces = [body[start : start + LONGEST] for start in range(0, len(body), LONGEST)]
    return b"".join(
        one.marshal() for one in (*frames, *(frame.Body(channel, piece) for piece in pieces))
    )


def delivery(body: bytes, *, tag: int = 7, channel: int = 1, properties: Any = PROPERTIES) -> bytes:
    method = spec.Basic.Deliver("ctag", tag, True, "budkavle", "filter")
    return by_pika(method, properties, body, channel=channel)


@given(st.binary(max_size=3 * LONGEST), st.integers(1, 40), st.booleans())
def test_a_publish_is_the_frames_that_pika_makes(
    body: bytes, attempt: int, mandatory: bool
) -> None:
    properties = properties_of(Envelope("name", body, attempt=attempt))
    publish = spec.Basic.Publish(exchange="budkavle", routing_key="filter", mandatory=mandatory)
    way = ("budkavle", "filter", mandatory)
    made = publish_frames(3, way, properties, body, longest=LONGEST)
    assert made == by_pika(publish, properties, body, channel=3)


@given(st.binary(min_size=1, max_size=LONGEST), st.integers(1, 2**63), st.binary(max_size=30))
def test_a_delivery_is_read_as_pika_reads_it(body: bytes, tag: int, rest: bytes) -> None:
    frames = delivery(body, tag=tag, channel=300)
    read = whole_delivery(frames + rest)
    assert read is not None
    length, whole = read
    assert length == len(frames)
    assert whole.method.channel_number == whole.header.channel_number == 300
    assert whole.method.method.delivery_tag == tag
    assert whole.method.method.redelivered is True
    assert whole.method.method.consumer_tag == "ctag"
    assert whole.header.properties == PROPERTIES
    assert (whole.header.body_size, whole.body) == (len(body), body)


@pytest.mark.parametrize("missing", [1, 5, 8, 20, 60, 100])
def test_a_delivery_that_is_still_coming_is_left_to_pika(missing: int) -> None:
    frames = delivery(b"some body")
    assert whole_delivery(frames[:-missing]) is None
    assert whole_delivery(frames[:-missing] + b"\x00" * missing) is None


@pytest.mark.parametrize(
    "frames",
    [
        b"",
        frame.Heartbeat().marshal(),
        frame.Method(1, spec.Basic.Ack(3)).marshal() + delivery(b"body"),
        delivery(b""),
        delivery(b"longer than one frame " * 10),
        delivery(b"body")[:-1] + b"\x00",
        by_pika(spec.Basic.Return(312, "NO_ROUTE", "e", "k"), PROPERTIES, b"body"),
        DELIVER + frame.Heartbeat().marshal(),
        DELIVER
        + frame.Header(2, 4, PROPERTIES).marshal()
        + frame.Body(2, b"body").marshal(),
    ],
    ids=["nothing", "heartbeat", "confirm first", "empty", "long", "no end", "return",
         "heartbeat between", "another channel's"],
)  # fmt: skip
def test_what_is_no_ordinary_delivery_is_left_to_pika(frames: bytes) -> None:
    assert whole_delivery(frames) is None


def test_headers_come_through() -> None:
    properties = properties_of(Envelope("name", b"", attempt=3, origin="filter"))
    read = whole_delivery(delivery(b"body", properties=properties))
    assert read is not None
    assert read[1].header.properties.headers == {
        "budkavle-attempt": 3,
        "budkavle-origin": "filter",
    }
