"""The limit: pika's `SelectConnection` with nothing around it, confirms pipelined.

One thread, no threads to cross, no decoding, no logging.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel
from pika.spec import Basic

from tests.benchmark.hop.contender import PREFETCH, Meter, Seed, declare_quorum
from tests.benchmark.samples import change

SOURCE, TARGET = "hop.source", "hop.target"

_PERSISTENT = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent.value)


def declare(channel: BlockingChannel) -> None:
    declare_quorum(channel, SOURCE, TARGET)


def seeds(count: int) -> Iterator[Seed]:
    return (Seed(change(number).encode()) for number in range(count))


def hop(url: str, meter: Meter) -> None:
    connection = pika.SelectConnection(
        pika.URLParameters(url),
        on_open_callback=lambda opened: opened.channel(on_open_callback=partial(_Hop, meter)),
        on_close_callback=lambda closed, _reason: closed.ioloop.stop(),
    )
    connection.ioloop.start()


class _Hop:
    """Remembers which delivery each unconfirmed publish belongs to."""

    def __init__(self, meter: Meter, channel: Channel) -> None:
        self._meter = meter
        self._channel = channel
        self._published = 0
        self._confirmed = 0
        self._delivery_of: dict[int, int] = {}
        channel.confirm_delivery(self._on_confirm)
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(SOURCE, self._on_message)

    def _on_message(
        self, channel: Channel, method: Basic.Deliver, _properties: Any, body: bytes
    ) -> None:
        self._meter.handed_out()
        self._published += 1
        self._delivery_of[self._published] = method.delivery_tag
        channel.basic_publish("", TARGET, body, _PERSISTENT, mandatory=True)

    def _on_confirm(self, frame: Any) -> None:
        assert isinstance(frame.method, Basic.Ack)
        last = frame.method.delivery_tag
        first = self._confirmed + 1 if frame.method.multiple else last
        for tag in range(first, last + 1):
            delivery = self._delivery_of.pop(tag, None)
            if delivery is not None:
                self._channel.basic_ack(delivery)
                self._meter.one_done()
        if first <= self._confirmed + 1:
            self._confirmed = last
        if self._meter.all_done.is_set():
            self._channel.connection.close()
