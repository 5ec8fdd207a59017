"""The relay's own runner, as `shared.stage.process` builds it: broker, worker, logging and metrics.

The handler is trivial, everything around it is real: each message is decoded and checked, its
outcome published, confirmed, acknowledged, counted and logged.
"""

from collections.abc import Iterator

import pika
from pika.adapters.blocking_connection import BlockingChannel

from shared.base.logging import configure_logging
from shared.booking.messages import BookingChange
from shared.relay import open_broker
from shared.relay.outcomes import Publish
from shared.relay.rabbitmq.topology import declare_on
from shared.relay.topology import Topology, work_queue
from shared.relay.worker import Worker
from shared.stage.process import collect_less_garbage
from shared.stage.settings import CommonSettings
from tests.benchmark.hop.contender import PREFETCH, Meter, Seed
from tests.benchmark.samples import change, fetched

SOURCE, TARGET = work_queue("fetcher"), work_queue("composer")

_THREADS = 2
_STOP_SECONDS = 30


def declare(channel: BlockingChannel) -> None:
    declare_on(channel, Topology())


def seeds(count: int) -> Iterator[Seed]:
    for number in range(count):
        message = change(number)
        yield Seed(message.encode(), pika.BasicProperties(message_id=message.identity))


def hop(url: str, meter: Meter) -> None:
    """The clock stops when the worker has drained: all confirmed, all acknowledged."""
    configure_logging("fetcher", CommonSettings(log_format="json"))
    collect_less_garbage()

    def handle(message: BookingChange) -> Publish:
        meter.handed_out()
        outcome = Publish((fetched(message),))
        meter.one_done()
        return outcome

    topology = Topology()
    broker = open_broker(url, topology)
    worker = Worker(
        "fetcher",
        handle,
        broker,
        decode=BookingChange.decode,
        topology=topology,
        concurrency=_THREADS,
        prefetch=PREFETCH,
    )
    worker.start()
    meter.all_done.wait()
    assert worker.stop(_STOP_SECONDS)
    meter.end()
    broker.close()
