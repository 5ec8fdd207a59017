"""A stage as a process: logging, health, one ready line, and a clean end on SIGTERM."""

import json
import os
import signal
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

import structlog

from shared.broker import open_broker
from shared.observability.health import Checks, HealthServer
from shared.settings import CommonSettings
from shared.worker import Handler, Worker

log = structlog.get_logger()

#: How often a stage that has just started is asked whether it is ready yet, in seconds.
_READY_POLL = 0.05


def announce_ready(stage: str, **addresses: Any) -> None:
    """Print the one line that says this process does its work now; scripts wait for it."""
    print(json.dumps({"ready": stage, **addresses, "pid": os.getpid()}), flush=True)  # noqa: T201


def stop_signal() -> Event:
    """An event that SIGTERM and SIGINT set."""
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def run_stage(
    stage: str,
    handle: Handler,
    settings: CommonSettings,
    *,
    concurrency: int,
    prefetch: int,
    checks: Checks | None = None,
    closers: Sequence[Callable[[], None]] = (),
) -> int:
    """Run `handle` on `stage`'s queue until SIGTERM; the process's exit code.

    0: all that was begun was finished. 1: it took longer than `settings.drain_seconds`, and what
    was left is handed out again by the broker. `closers` are called last.
    """
    stopping = stop_signal()
    broker = open_broker(settings.broker_url.get_secret_value(), settings.topology)
    worker = Worker(
        stage,
        handle,
        broker,
        topology=settings.topology,
        concurrency=concurrency,
        prefetch=prefetch,
    )
    all_checks = {"broker": worker.connected, **(checks or {})}
    health = HealthServer(settings.health_bind, all_checks)
    health.start()
    worker.start()
    _announce_when_ready(stage, health, all_checks, stopping)
    stopping.wait()
    log.info("draining", seconds=settings.drain_seconds)
    drained = worker.stop(settings.drain_seconds)
    broker.close()
    health.stop()
    for close in closers:
        close()
    log.info("stopped", drained=drained)
    return 0 if drained else 1


def _announce_when_ready(stage: str, health: HealthServer, checks: Checks, stopping: Event) -> None:
    """A process that starts before its broker or database waits for them, unannounced."""
    while not all(check() for check in checks.values()):
        if stopping.wait(_READY_POLL):
            return
    announce_ready(stage, health=health.url)
    log.info("ready", health=health.url)
