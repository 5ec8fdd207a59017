"""Run the gateway as a process: `python -m ingest`."""

import asyncio
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from socket import socket
from threading import Event, Thread

import structlog
import uvicorn

from ingest.app import build_app
from ingest.broker_wait import BrokerWait
from ingest.callers import CallerPolicy
from ingest.endpoint import SoapEndpoint
from ingest.handler import NotificationHandler
from ingest.handling import CallHandling
from ingest.intake import Intake
from ingest.publisher import PromptPublisher, QueuePublisher, Storage
from ingest.server import address_of, build_server, listen
from ingest.settings import IngestSettings
from ingest.spool import Spool
from ingest.store_and_forward import StoreAndForward
from ingest.tls import LiveTls
from shared.base.clock import SteadyClock, utcnow
from shared.base.ids import new_id
from shared.base.settings import blaming
from shared.relay import open_broker
from shared.relay.broker import BeginsPublishing, Broker
from shared.relay.spans import Spans, TracedPublishing
from shared.stage.health import Checks, HealthServer
from shared.stage.heartbeat import Heartbeat
from shared.stage.process import announce_when_ready, start, stop_signal
from shared.stage.telemetry import telemetry_of

log = structlog.get_logger()


def build_endpoint(
    settings: IngestSettings,
    storage: Storage,
    threads: ThreadPoolExecutor,
    spans: Spans | None = None,
) -> tuple[SoapEndpoint, BrokerWait]:
    """The endpoint, and what holds its requests while the broker is unavailable."""
    publish = QueuePublisher(
        TracedPublishing(storage, spans) if spans else storage,
        timeout=settings.ingest_publish_seconds,
        max_message_bytes=settings.ingest_max_message_bytes,
    )
    wait = BrokerWait(
        publish,
        storage.ready,
        seconds=settings.ingest_broker_wait_seconds,
        draining_seconds=settings.drain_seconds / 2,
        threads=threads,
    )
    handler = NotificationHandler(
        publish,
        logical_address=settings.logical_address,
        max_body_bytes=settings.ingest_max_body_bytes,
        clock=SteadyClock(),
        name=new_id,
    )
    endpoint = SoapEndpoint(
        CallHandling(handler, threads, _prompt(settings, storage, publish, threads, spans)),
        wait=wait,
        intake=Intake(
            max_body_bytes=settings.ingest_max_body_bytes,
            max_held_bytes=settings.ingest_max_held_bytes,
            read_seconds=settings.ingest_read_seconds,
        ),
        callers=CallerPolicy(
            allowed=settings.ingest_callers,
            proxies=settings.ingest_proxies,
            header=settings.ingest_caller_header,
        ),
        max_in_flight=settings.ingest_max_in_flight,
        clock=utcnow,
    )
    return endpoint, wait


def _prompt(
    settings: IngestSettings,
    storage: Storage,
    publish: QueuePublisher,
    threads: ThreadPoolExecutor,
    spans: Spans | None,
) -> PromptPublisher | None:
    """None with a spool, with traces or with the embedded broker: a thread publishes then."""
    if spans or not isinstance(storage, BeginsPublishing):
        return None
    return PromptPublisher(
        storage,
        publish,
        threads,
        timeout=settings.ingest_publish_seconds,
        max_message_bytes=settings.ingest_max_message_bytes,
    )


@contextmanager
def opened_storage(settings: IngestSettings, broker: Broker) -> Iterator[tuple[Storage, Checks]]:
    """The broker, with the spool before it if one is set; and what readiness checks of it."""
    if settings.ingest_spool is None:
        yield broker, {"broker": broker.ready}
        return
    with closing(Spool(settings.ingest_spool, max_bytes=settings.ingest_spool_max_bytes)) as spool:
        storage = StoreAndForward(
            broker,
            spool,
            timeout=settings.ingest_publish_seconds,
            largest=settings.ingest_max_message_bytes,
        )
        storage.start()
        try:
            yield storage, {"broker_or_spool": storage.ready}
        finally:
            storage.stop()


def run(settings: IngestSettings) -> int:
    """Serve until SIGTERM; the process's exit code, 1 when requests were aborted.

    It serves at once, holds or spools requests while the broker is unavailable, and prints the
    ready line when they can be stored.
    """
    stopping = stop_signal()
    broker = open_broker(settings.broker_url.get_secret_value(), settings.topology)
    try:
        with opened_storage(settings, broker) as (storage, checks):
            drained = _run(settings, storage, checks, stopping)
    finally:
        broker.close()
    log.info("stopped", drained=drained)
    return 0 if drained else 1


def _run(settings: IngestSettings, storage: Storage, checks: Checks, stopping: Event) -> bool:
    with blaming("BUDKAVLE_HEALTH_BIND"):
        health = HealthServer(settings.health_bind, checks)
    with blaming("BUDKAVLE_INGEST_BIND"):
        listener = listen(settings.ingest_bind)
    with blaming("BUDKAVLE_INGEST_TLS_CERTIFICATE, _KEY, _CLIENT_CA"):
        tls = LiveTls(settings.tls) if settings.tls else None
    telemetry = telemetry_of("ingest", settings)
    heartbeat = Heartbeat("ingest", settings, checks)
    health.start()
    heartbeat.start()
    url = f"{address_of(listener, tls=settings.tls is not None)}/ProcessNotification"
    ready = partial(announce_when_ready, url=url, health=health.url)
    Thread(target=ready, args=("ingest", settings, checks, stopping), daemon=True).start()
    with ThreadPoolExecutor(settings.ingest_threads, "ingest") as threads:
        endpoint, wait = build_endpoint(settings, storage, threads, telemetry)
        app = build_app(endpoint, checks)
        server = build_server(app, settings, tls.context if tls else None, wait.end_soon)
        drained = _serve(settings, server, tls, listener)
    stopping.set()
    heartbeat.stop()
    if telemetry:
        telemetry.stop()
    health.stop()
    return drained


def _serve(
    settings: IngestSettings, server: uvicorn.Server, tls: LiveTls | None, listener: socket
) -> bool:
    """Whether all that was begun was finished."""

    async def serve() -> bool:
        fresh = tls.kept_fresh(settings.ingest_tls_reload_seconds) if tls else nullcontext()
        async with fresh:
            await server.serve(sockets=[listener])
            return not server.server_state.tasks  # the requests left have just been cancelled

    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        return runner.run(serve())


if __name__ == "__main__":
    sys.exit(start("ingest", IngestSettings, run))
