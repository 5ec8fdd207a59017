"""aio-pika on uvloop: robust connection, a prefetch, publisher confirms, a task per message.

A channel confirms by default and a returned message raises; each message's task publishes and
then acknowledges (`message.process`), so up to the prefetch of them wait for confirms at once.
"""

import asyncio
from collections.abc import Iterator

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage
from pika.adapters.blocking_connection import BlockingChannel

from tests.benchmark.hop.contender import PREFETCH, Meter, Seed, declare_quorum
from tests.benchmark.samples import change

SOURCE, TARGET = "hop.source", "hop.target"


def declare(channel: BlockingChannel) -> None:
    declare_quorum(channel, SOURCE, TARGET)


def seeds(count: int) -> Iterator[Seed]:
    return (Seed(change(number).encode()) for number in range(count))


def hop(url: str, meter: Meter) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_hop(url, meter))


async def _hop(url: str, meter: Meter) -> None:
    finished = asyncio.Event()
    connection = await aio_pika.connect_robust(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await channel.get_queue(SOURCE)

        async def on_message(message: AbstractIncomingMessage) -> None:
            meter.handed_out()
            async with message.process():
                outgoing = aio_pika.Message(
                    message.body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT
                )
                await channel.default_exchange.publish(outgoing, TARGET, mandatory=True)
            meter.one_done()
            if meter.all_done.is_set():
                finished.set()

        await queue.consume(on_message)
        await finished.wait()
        await channel.get_queue(SOURCE)  # answered after the acknowledgements have arrived
