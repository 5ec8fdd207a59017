"""dramatiq: one process with its default eight threads, `confirm_delivery`, one actor to another.

dramatiq has no setting for quorum queues; the one method that makes a queue's arguments is
overridden. The prefetch is raised as for the others. The second actor's queue has no worker.
"""

import os
from collections.abc import Iterator
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel

from tests.benchmark.hop.contender import PREFETCH, QUORUM, Meter, Seed
from tests.benchmark.samples import change

os.environ["dramatiq_queue_prefetch"] = str(PREFETCH)  # noqa: SIM112 - dramatiq's own spelling

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

SOURCE, TARGET = "hop.source", "hop.target"

_THREADS = 8


class _QuorumBroker(RabbitmqBroker):
    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        return {**super()._build_queue_arguments(queue_name), **QUORUM}


def declare(channel: BlockingChannel) -> None:
    """With the arguments that dramatiq will declare them with again."""
    makes_arguments = _QuorumBroker(url="amqp://nobody")
    for queue in (SOURCE, TARGET):
        arguments = makes_arguments._build_queue_arguments(queue)
        channel.queue_declare(queue, durable=True, arguments=arguments)


def seeds(count: int) -> Iterator[Seed]:
    for number in range(count):
        body = change(number).encode().decode()
        yield Seed(dramatiq.Message(SOURCE, "pass_on", (body,), {}, {}).encode())


def hop(url: str, meter: Meter) -> None:
    broker = _QuorumBroker(url=url, confirm_delivery=True)

    @dramatiq.actor(queue_name=TARGET, broker=broker)
    def arrive(body: str) -> None:
        raise AssertionError(f"nobody works on the target queue: {body}")

    @dramatiq.actor(queue_name=SOURCE, broker=broker)
    def pass_on(body: str) -> None:
        meter.handed_out()
        arrive.send(body)
        meter.one_done()

    worker = dramatiq.Worker(broker, queues={SOURCE}, worker_threads=_THREADS)
    worker.start()
    meter.all_done.wait()
    worker.stop()
    broker.close()
