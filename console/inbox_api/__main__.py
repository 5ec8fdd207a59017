"""Run the inbox read API as a process: `budkavle inbox serve`, or `python -m console.inbox_api`."""

import sys
from datetime import timedelta

import structlog

from console.inbox_api.access import Access, LoopbackAccess, TokenAccess
from console.inbox_api.app import InboxApi, build_app
from console.inbox_api.issuer_keys import IssuerKeys
from console.inbox_api.settings import InboxApiSettings
from console.inbox_api.tokens import TokenReader
from shared.base.addresses import split_bind
from shared.base.clock import SteadyClock
from shared.base.settings import blaming
from shared.stage.health import HealthServer
from shared.stage.process import announce_when_ready, start, stop_signal
from shared.stage.side_port import SidePort
from shared.store.engine import open_database
from shared.store.inbox_reading import InboxReader
from shared.store.migrate import ensure_sqlite
from shared.web.rates import RateLimit

log = structlog.get_logger()

#: As many as requests that wait for the database at once.
_POOL_SIZE = 20
#: Seconds' worth of requests that may come at once.
_BURST_SECONDS = 4


def build_access(settings: InboxApiSettings) -> Access:
    if not settings.inbox_issuer:
        return LoopbackAccess()
    tokens = TokenReader(
        settings.inbox_issuer,
        settings.inbox_audience,
        IssuerKeys(settings.inbox_issuer, settings.inbox_jwks_url),
        skew=settings.inbox_clock_skew_seconds,
        clock=SteadyClock(),
    )
    return TokenAccess(
        tokens,
        patient_claim=settings.inbox_patient_claim,
        patient_scope=settings.inbox_patient_scope,
        service_scope=settings.inbox_service_scope,
    )


def build_rate(per_second: float) -> RateLimit:
    burst = max(1, round(per_second * _BURST_SECONDS))
    return RateLimit(burst=burst, spacing=timedelta(seconds=1 / per_second))


def run(settings: InboxApiSettings) -> int:
    """Serve until SIGTERM; the process's exit code."""
    stopping = stop_signal()
    database_url = settings.database_url.get_secret_value()
    ensure_sqlite(database_url)
    database = open_database(database_url, pool_size=_POOL_SIZE)
    api = InboxApi(
        InboxReader(database),
        build_access(settings),
        patient_rate=build_rate(settings.inbox_patient_rate),
        service_rate=build_rate(settings.inbox_service_rate),
    )
    port = _port(settings, api)
    checks = {"database": database.ready}
    with blaming("BUDKAVLE_HEALTH_BIND"):
        health = HealthServer(settings.health_bind, checks)
    for begin in (health.start, port.start):
        begin()
    addresses = {"url": port.url, "health": health.url, "access": access_of(settings)}
    announce_when_ready("inbox", settings, checks, stopping, **addresses)
    stopping.wait()
    for end in (port.stop, health.stop, database.close):
        end()
    log.info("stopped")
    return 0


def access_of(settings: InboxApiSettings) -> str:
    """For the ready line and the log: who may read."""
    if not settings.inbox_issuer:
        return "loopback only, every caller: BUDKAVLE_INBOX_ISSUER is not set"
    return f"tokens of {settings.inbox_issuer}"


def _port(settings: InboxApiSettings, api: InboxApi) -> SidePort:
    with blaming("BUDKAVLE_INBOX_BIND"):
        return SidePort(
            "inbox",
            split_bind(settings.inbox_bind),
            build_app(api),
            max_connections=settings.inbox_max_connections,
        )


if __name__ == "__main__":
    sys.exit(start("inbox", InboxApiSettings, run))
