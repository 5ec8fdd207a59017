"""A message as frames of AMQP 0-9-1: method, header, body.

pika passes each of the three frames of a publish or a delivery through all its layers; measured,
that was half of what a hop costs the I/O thread. Here a message goes in one step. What stands in
the frames is still written and read by pika, and whatever is out of the ordinary is left to it.
"""

import struct
from functools import lru_cache
from typing import Any, NamedTuple

import pika.spec
from pika import frame

spec: Any = pika.spec  # which has no types

_START = struct.Struct(">BHI")  # type of the frame, channel, length up to its end
_LENGTH = struct.Struct(">I")
_CONTENT = struct.Struct(">HHQ")  # class, weight (always 0), length of the body
_END = bytes([spec.FRAME_END])
_DELIVER = spec.Basic.Deliver.INDEX.to_bytes(4)


class WholeDelivery(NamedTuple):
    """All frames of one delivery, as pika's channel takes them."""

    method: "frame.Method[Any]"
    header: frame.Header
    body: bytes


#: Exchange, routing key, and whether it must be routed.
Way = tuple[str, str, bool]


def publish_frames(channel: int, way: Way, properties: Any, body: bytes, *, longest: int) -> bytes:
    """All frames of one publish, the body in frames of at most `longest` bytes."""
    content = _CONTENT.pack(spec.Basic.INDEX, 0, len(body)) + b"".join(properties.encode())
    pieces = (body[start : start + longest] for start in range(0, len(body), longest))
    return b"".join(
        (
            _publish_frame(channel, way),
            _frame(spec.FRAME_HEADER, channel, content),
            *(_frame(spec.FRAME_BODY, channel, piece) for piece in pieces),
        )
    )


def whole_delivery(data: bytes) -> tuple[int, WholeDelivery] | None:
    """The delivery that `data` begins with, and how many bytes of it that is.

    None when `data` begins with anything else, when not all of it is there, and when its body is
    empty or stands in several frames.
    """
    channel = int.from_bytes(data[1:3])
    method = _payload(data, 0, spec.FRAME_METHOD, channel)
    if method is None or not method.startswith(_DELIVER):
        return None
    header_at = _length_of_frame(method)
    header = _payload(data, header_at, spec.FRAME_HEADER, channel)
    if header is None:
        return None
    body_at = header_at + _length_of_frame(header)
    body = _payload(data, body_at, spec.FRAME_BODY, channel)
    if body is None or len(body) != _CONTENT.unpack_from(header)[2]:
        return None
    end = body_at + _length_of_frame(body)
    return end, _delivery(channel, method, header, body)


def _delivery(channel: int, method: bytes, header: bytes, body: bytes) -> WholeDelivery:
    deliver = spec.Basic.Deliver().decode(method, len(_DELIVER))
    properties = spec.BasicProperties().decode(header, _CONTENT.size)
    return WholeDelivery(
        frame.Method(channel, deliver), frame.Header(channel, len(body), properties), body
    )


def _payload(data: bytes, start: int, kind: int, channel: int) -> bytes | None:
    """What the frame of that kind and channel at `start` holds; None when it is not there."""
    inside = start + _START.size
    if len(data) < inside:
        return None
    found, its_channel, length = _START.unpack_from(data, start)
    if found != kind or its_channel != channel:
        return None
    end = inside + length
    return data[inside:end] if data[end : end + 1] == _END else None


def _length_of_frame(payload: bytes) -> int:
    return _START.size + len(payload) + len(_END)


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return _START.pack(kind, channel, len(payload)) + payload + _END


@lru_cache
def _publish_frame(channel: int, way: Way) -> bytes:
    """The same for all messages that go one way."""
    exchange, key, mandatory = way
    publish = spec.Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory)
    return bytes(frame.Method(channel, publish).marshal())
