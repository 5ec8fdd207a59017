"""FastStream on uvloop: one subscriber, one publisher, its default acknowledgement after the work.

Its default channel confirms; the prefetch and the raising of returns are set on it, the publisher
is persistent and mandatory. The body is taken as bytes, so nothing is decoded or validated.
"""

import asyncio
import logging
from collections.abc import Iterator

import pika
import uvloop
from faststream import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue
from pika.adapters.blocking_connection import BlockingChannel

from tests.benchmark.hop.contender import PREFETCH, Meter, Seed, declare_quorum
from tests.benchmark.samples import change

SOURCE, TARGET = "hop.source", "hop.target"

_BYTES = "application/octet-stream"


def declare(channel: BlockingChannel) -> None:
    declare_quorum(channel, SOURCE, TARGET)


def seeds(count: int) -> Iterator[Seed]:
    for number in range(count):
        yield Seed(change(number).encode(), pika.BasicProperties(content_type=_BYTES))


def hop(url: str, meter: Meter) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_hop(url, meter))


async def _hop(url: str, meter: Meter) -> None:
    finished = asyncio.Event()
    channel = Channel(prefetch_count=PREFETCH, publisher_confirms=True, on_return_raises=True)
    broker = RabbitBroker(url, default_channel=channel, log_level=logging.DEBUG)
    target = broker.publisher(_quorum(TARGET), persist=True, mandatory=True)

    @broker.subscriber(_quorum(SOURCE), ack_policy=AckPolicy.REJECT_ON_ERROR)
    async def pass_on(body: bytes) -> None:
        meter.handed_out()
        await target.publish(body)
        meter.one_done()
        if meter.all_done.is_set():
            finished.set()

    await broker.start()
    await finished.wait()
    await broker.stop()


def _quorum(name: str) -> RabbitQueue:
    return RabbitQueue(name, queue_type=QueueType.QUORUM, durable=True)
