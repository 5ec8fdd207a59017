"""pika's asynchronous connection, made for many small messages.

A publish is three frames and an acknowledgement is one, and pika makes a system call of each:
measured, that was the largest part of a hop. Here the frames of one turn of the I/O loop are
collected and sent together, and messages are taken as a whole (`rabbitmq_frames`).

The methods overridden are the narrowest that pika's adapters have; if a later pika calls them no
more, its own take over and all is slower.
"""

from collections.abc import Callable
from typing import Any

import pika
from pika import spec
from pika.channel import Channel

from shared.relay.rabbitmq.frames import WholeDelivery, publish_frames, whole_delivery

#: Pieces no larger than this (bytes), since pika copies what the socket did not take.
_PIECE = 65_536


class MessageConnection(pika.SelectConnection):
    """Sends together what comes together, and hands deliveries to their channel in one step."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._unsent = bytearray()
        super().__init__(*arguments, **options)

    @property
    def longest_body(self) -> int:
        """Bytes of a body that fit into one frame, as agreed with the broker."""
        return self._body_max_length

    def send(self, frames: bytes) -> None:
        self.bytes_sent += len(frames)
        self._adapter_emit_data(frames)

    def _create_channel(
        self, channel_number: int, on_open_callback: Callable[[Channel], Any] | None
    ) -> Channel:
        return _MessageChannel(self, channel_number, on_open_callback)

    def _read_frame(self) -> tuple[int, Any]:
        return whole_delivery(self._frame_buffer) or super()._read_frame()

    def _process_frame(self, frame_value: Any) -> None:
        if isinstance(frame_value, WholeDelivery):
            channel = self._channels[frame_value.method.channel_number]
            channel._on_deliver(frame_value.method, frame_value.header, frame_value.body)  # noqa: SLF001
        else:
            super()._process_frame(frame_value)

    def _adapter_emit_data(self, data: bytes) -> None:
        if not self._unsent:
            self.ioloop.call_later(0, self._send_collected)
        self._unsent += data

    def _send_collected(self) -> None:
        unsent, self._unsent = self._unsent, bytearray()
        if self.is_closed:
            return
        for start in range(0, len(unsent), _PIECE):
            super()._adapter_emit_data(bytes(unsent[start : start + _PIECE]))


class _MessageChannel(Channel):
    connection: MessageConnection

    def basic_publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: spec.BasicProperties | None = None,
        mandatory: bool = False,  # noqa: FBT001, FBT002 - pika's signature
    ) -> None:
        self._raise_if_not_open()
        frames = publish_frames(
            self.channel_number,
            (exchange, routing_key, mandatory),
            properties or spec.BasicProperties(),  # type: ignore[no-untyped-call]
            body,
            longest=self.connection.longest_body,
        )
        self.connection.send(frames)
