"""Run the fetcher as a process: `python -m fetcher`."""

import random
import re
import sys

from fetcher.bookings_client import BookingsClient
from fetcher.crm_scheduling import SERVICE_DOMAIN, CrmScheduling
from fetcher.handler import FetchHandler
from fetcher.limits import OpenBreaker, SourceLimits
from fetcher.metrics import SourceWatch
from fetcher.platform import Platform, TimeOuts
from fetcher.settings import FetcherSettings
from shared.base.breaker import BreakerPolicy
from shared.base.certificates import PemFiles
from shared.base.clock import Clock
from shared.base.settings import blaming
from shared.stage.process import run_stage, start
from shared.store.clock import DatabaseClock
from shared.store.engine import Database, open_database
from shared.store.known_bookings import KnownBookings
from shared.store.migrate import ensure_sqlite
from shared.store.slots import SourceSlots
from shared.store.sources import CachedRegister, SourceRegister, SourceSystem

#: Connections kept to the database. The slots of many sources run out at the same time; with fewer
#: connections, new ones would be opened each time, at ten times the cost of the statement.
_CONNECTIONS = 10


def run(settings: FetcherSettings) -> int:
    url = settings.database_url.get_secret_value()
    ensure_sqlite(url)
    # Not durable: after a crash a source may be called at twice its rate for a second.
    database = open_database(url, pool_size=_CONNECTIONS, durable=False, by_index=True)
    register = SourceRegister(database)
    watch = SourceWatch()
    sources = CachedRegister(lambda: _snapshot(register, settings, watch))
    platform = _platform(settings)
    clock = DatabaseClock(database)
    contracts = {SERVICE_DOMAIN: CrmScheduling(_client(settings, platform, watch, clock))}
    limits = _limits(settings, database, watch, clock)
    return run_stage(
        "fetcher",
        FetchHandler(
            contracts,
            sources,
            limits,
            watch,
            KnownBookings(database),
            clock,
            explained_within=settings.patience + settings.pairing_window,
        ),
        settings,
        concurrency=settings.fetcher_concurrency,
        prefetch=settings.fetcher_prefetch,
        report=lambda: {
            "breakers": [_plain(each) for each in limits.open_breakers()],
            "calls": watch.calls.lately(),
        },
        checks={"register": sources.ready, "database": database.ready, "clock": clock.agrees},
        closers=[platform.close, database.close],
    )


def _plain(breaker: OpenBreaker) -> dict[str, str]:
    """As JSON can hold it."""
    return {
        "source": breaker.source,
        "reason": breaker.reason,
        "opened_at": breaker.opened_at.isoformat(),
        "next_probe": breaker.next_probe.isoformat(),
    }


def _snapshot(
    register: SourceRegister, settings: FetcherSettings, watch: SourceWatch
) -> dict[str, SourceSystem]:
    sources = register.snapshot(settings.environment)
    watch.activated(sources.values())
    return sources


def _platform(settings: FetcherSettings) -> Platform:
    tls = PemFiles(
        ca=settings.fetcher_ca,
        certificate=settings.fetcher_certificate,
        key=settings.fetcher_certificate_key,
    )
    with blaming("BUDKAVLE_FETCHER_CA, _CERTIFICATE, _CERTIFICATE_KEY"):
        return Platform(
            settings.platform_url,
            time_outs=TimeOuts(settings.fetcher_connect_seconds, settings.fetcher_read_seconds),
            connections=settings.fetcher_concurrency,
            max_bytes=settings.fetcher_max_reply_bytes,
            tls=tls,
        )


def _client(
    settings: FetcherSettings, platform: Platform, watch: SourceWatch, clock: Clock
) -> BookingsClient:
    return BookingsClient(
        platform,
        consumer=settings.logical_address,
        unknown_booking=re.compile(settings.fetcher_unknown_booking_fault),
        max_reply_bytes=settings.fetcher_max_reply_bytes,
        clock=clock,
        on_forbidden=watch.forbidden_characters,
    )


def _limits(
    settings: FetcherSettings, database: Database, watch: SourceWatch, clock: Clock
) -> SourceLimits:
    first, longest = settings.breaker_waits
    policy = BreakerPolicy(
        settings.fetcher_breaker_failures,
        first,
        longest,
        spread=lambda: random.uniform(0.8, 1.2),  # noqa: S311 - not a secret
    )
    return SourceLimits(
        SourceSlots(database),
        policy,
        most_in_flight=settings.most_in_flight,
        clock=clock,
        watch=watch,
    )


if __name__ == "__main__":
    sys.exit(start("fetcher", FetcherSettings, run))
