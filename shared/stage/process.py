"""A stage as a process: settings, logging, health, one ready line, a clean end on SIGTERM."""

import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any, TypeVar

import structlog

from shared.base.errors import CannotStart, Unavailable, WrongSettings
from shared.base.logging import configure_logging
from shared.base.redaction import redact
from shared.base.settings import blaming
from shared.booking.messages import READS
from shared.relay import open_broker
from shared.relay.broker import BrokerError
from shared.relay.worker import BatchHandler, Handler, Worker
from shared.stage.health import Checks, HealthServer, readiness
from shared.stage.heartbeat import Heartbeat, Report
from shared.stage.parent import end_with_parent
from shared.stage.settings import CommonSettings
from shared.stage.telemetry import telemetry_of
from shared.stage.tracing import Tracer

log = structlog.get_logger()

#: How often a stage that has just started checks whether it is ready, in seconds.
_READY_POLL = 0.05
#: After how many seconds a stage logs what it waits for, and how often after that.
_PATIENCE, _REMIND_EVERY = 3.0, 30.0


#: Exit codes of a process that cannot start; `budkavle` has the same (`console.exits`).
_WRONG_SETTINGS = 2
_UNAVAILABLE = 3

#: Python's own is 700, about what one batch of messages makes.
_CONTAINERS_BETWEEN_COLLECTIONS = 5_000

S = TypeVar("S", bound=CommonSettings)


def start(process: str, settings_of: type[S], run: Callable[[S], int]) -> int:
    """Read the settings, begin logging and `run`; the process's exit code.

    A process that cannot start, because of a setting or of something unavailable, prints one line
    on standard error for operators. No traceback can then show a secret.
    """
    end_with_parent()
    try:
        settings = settings_of()
        configure_logging(process, settings)
        collect_less_garbage()
        return run(settings)
    except WrongSettings as error:
        return _failed(process, f"settings: {error}", _WRONG_SETTINGS)
    except (BrokerError, CannotStart, Unavailable) as error:
        return _failed(process, str(error), _UNAVAILABLE)


def collect_less_garbage() -> None:
    """What was imported lives as long as the process, and handling a message leaves few cycles.

    Python looks through 90,000 objects of modules and classes otherwise, some 50 ms at a time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_CONTAINERS_BETWEEN_COLLECTIONS, 10, 10)


def _failed(process: str, text: str, code: int) -> int:
    print(f"{process}: {redact(' '.join(text.split()))}", file=sys.stderr)  # noqa: T201
    return code


def announce_ready(ready: str | Sequence[str], **facts: Any) -> None:
    """Print the line that scripts wait for: which stage is ready, or which ones."""
    print(json.dumps({"ready": ready, **facts, "pid": os.getpid()}), flush=True)  # noqa: T201


def announce_when_ready(
    stage: str, settings: CommonSettings, checks: Checks, stopping: Event, **addresses: str
) -> None:
    """Wait until all checks pass, then print the ready line.

    A process may start before its broker or database. It logs every half minute what it waits for.
    """
    next_line = time.monotonic() + _PATIENCE
    while not (state := readiness(checks))[0]:
        if time.monotonic() >= next_line:
            missing = [name for name, passes in state[1].items() if not passes]
            log.warning("not_ready", waits_for=missing, **settings.places)
            next_line = time.monotonic() + _REMIND_EVERY
        if stopping.wait(_READY_POLL):
            return
    announce_ready(stage, **addresses, **settings.places)
    log.info("ready", **addresses, **settings.places)


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
    handle_batch: BatchHandler | None = None,
    linger: float = 0,
    in_work: int = sys.maxsize,
    checks: Checks | None = None,
    started: Callable[[], None] = lambda: None,
    report: Report | None = None,
    tracer: Tracer | None = None,
    closers: Sequence[Callable[[], None]] = (),
) -> int:
    """Run `handle` on `stage`'s queue until SIGTERM; the process's exit code.

    0: all that was begun was finished. 1: it took longer than `settings.drain_seconds`, and what
    was left is handed out again by the broker. `started` is called once at the start, `closers`
    at the end; what `report` says stands in `budkavle status`.
    """
    stopping = stop_signal()
    tracer = tracer or Tracer(stage, settings)
    telemetry = telemetry_of(stage, settings)
    broker = open_broker(settings.broker_url.get_secret_value(), settings.topology)
    worker = Worker(
        stage,
        handle,
        broker,
        decode=READS[stage].decode,
        topology=settings.topology,
        concurrency=concurrency,
        prefetch=prefetch,
        handle_batch=handle_batch,
        linger=linger,
        in_work=in_work,
        log_context=tracer.log_context,
        record=tracer.record,
        spans=telemetry,
    )
    all_checks = {"broker": worker.connected, **(checks or {})}
    health = _health_server(settings, all_checks)
    heartbeat = Heartbeat(stage, settings, all_checks, report, take_oldest=worker.take_oldest)
    for begin in (health.start, tracer.start, worker.start, heartbeat.start, started):
        begin()
    _log_forgotten(settings)
    announce_when_ready(stage, settings, all_checks, stopping, health=health.url)
    _wait_for_end(settings, stopping)
    heartbeat.stop()
    drained = worker.stop(settings.drain_seconds)
    sent = [telemetry.stop] if telemetry else []
    for close in (broker.close, tracer.stop, *sent, health.stop, *closers):
        close()
    log.info("stopped", drained=drained)
    return 0 if drained else 1


def _health_server(settings: CommonSettings, checks: Checks) -> HealthServer:
    with blaming("BUDKAVLE_HEALTH_BIND"):
        return HealthServer(settings.health_bind, checks)


def _wait_for_end(settings: CommonSettings, stopping: Event) -> None:
    stopping.wait()
    log.info("draining", seconds=settings.drain_seconds)


def _log_forgotten(settings: CommonSettings) -> None:
    if settings.forgotten_stores:
        log.warning("setting_forgotten", settings=settings.forgotten_stores, used="local file")
