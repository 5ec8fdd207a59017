"""Celery: quorum queues as its documentation has them, late acknowledgement, confirmed publishes.

One process with the thread pool (no faster pool was found for this work, see
docs/benchmarks.md), no results, no gossip, mingle or heartbeat. The second task's queue has no
worker.
"""

import os
import signal
from collections.abc import Iterator
from threading import Thread

import pika
from celery import Celery
from kombu import Queue
from pika.adapters.blocking_connection import BlockingChannel

from tests.benchmark.hop.contender import PREFETCH, QUORUM, Meter, Seed, declare_quorum
from tests.benchmark.samples import change

SOURCE, TARGET = "hop.source", "hop.target"

_THREADS = 8


def declare(channel: BlockingChannel) -> None:
    declare_quorum(channel, SOURCE, TARGET)


def seeds(count: int) -> Iterator[Seed]:
    """As `send_task` would write them; written by hand because it waits for each confirm."""
    app = _app("amqp://nobody")
    for number in range(count):
        task = app.amqp.as_task_v2(f"task-{number}", "pass_on", (change(number).encode().decode(),))
        body = app.amqp.app.backend.encode(task.body)
        properties = pika.BasicProperties(
            content_type="application/json",
            content_encoding="utf-8",
            headers={name: value for name, value in task.headers.items() if value is not None},
            correlation_id=task.properties["correlation_id"],
        )
        yield Seed(body.encode(), properties)


def hop(url: str, meter: Meter) -> None:
    app = _app(url)

    @app.task(name="arrive")
    def arrive(body: str) -> None:
        raise AssertionError(f"nobody works on the target queue: {body}")

    @app.task(name="pass_on")
    def pass_on(body: str) -> None:
        meter.handed_out()
        arrive.apply_async((body,), queue=TARGET, mandatory=True)
        meter.one_done()

    Thread(target=_stop_when_done, args=(meter,), daemon=True).start()
    app.worker_main(
        [
            "worker", "--pool=threads", f"--concurrency={_THREADS}", f"--queues={SOURCE}",
            "--loglevel=WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat",
        ]
    )  # fmt: skip


def _app(url: str) -> Celery:
    app = Celery("hop", broker=url)
    app.conf.update(
        task_queues=[Queue(name, routing_key=name, queue_arguments=QUORUM)
                     for name in (SOURCE, TARGET)],
        task_default_queue_type="quorum",
        worker_redirect_stdouts=False,
        task_acks_late=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=PREFETCH // _THREADS,
        broker_transport_options={"confirm_publish": True},
    )  # fmt: skip
    return app


def _stop_when_done(meter: Meter) -> None:
    """Celery's warm shutdown: what is done is acknowledged first."""
    meter.all_done.wait()
    os.kill(os.getpid(), signal.SIGTERM)
