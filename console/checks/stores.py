"""Broker and database: reachable, as this version wants them, and with the rights that we need."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

from console.checks import Check, ok, warning, wrong
from console.replicas import Replicas, count_replicas
from shared.base.clock import utcnow
from shared.relay import MISSING, broker_faults, plugins_missing
from shared.relay.broker import BrokerError
from shared.stage.settings import CommonSettings
from shared.store.engine import DatabaseUnavailable, open_database
from shared.store.migrate import is_current
from shared.store.overview import clock_of, may_write
from shared.store.replication import Standbys, find_standbys

#: Slots, leases and ages are reckoned between machines: they should agree within this.
_CLOCKS_AGREE = timedelta(seconds=2)


def check_broker(settings: CommonSettings) -> Iterator[Check]:
    what = f"broker ({settings.places['broker']})"
    try:
        faults = broker_faults(settings.broker_url.get_secret_value(), settings.topology)
    except BrokerError as error:
        yield wrong(what, str(error))
        return
    missing = [fault for fault in faults if fault.endswith(MISSING)]
    if missing:
        yield wrong(what, f"{missing[0]} and {len(missing) - 1} more; run `budkavle setup`")
    for fault in sorted(set(faults) - set(missing)):
        yield wrong(what, fault)
    if not faults:
        yield ok(what, "queues and rights as this version wants them")
    yield from _plugins(settings)
    yield from _replicas(count_replicas(settings))


def _plugins(settings: CommonSettings) -> Iterator[Check]:
    urls = (settings.broker_url, settings.broker_management_url)
    try:
        missing = plugins_missing(*(url.get_secret_value() for url in urls))
    except BrokerError as error:
        missing = [str(error)]
    for fault in missing:
        yield warning("broker's plugins", fault)


def _replicas(found: Replicas) -> Iterator[Check]:
    what = "replicas of the queues"
    if found.unknown:
        yield warning(what, found.unknown)
    elif found.fewer:
        queue, number = found.fewest
        fewer = f"{len(found.fewer)} queues have fewer than {found.least}"
        yield warning(what, f"{fewer}: {queue} has {number}")
    elif found.least > 1:
        yield ok(what, f"at least {found.least}")


def check_database(settings: CommonSettings) -> Iterator[Check]:
    what = f"database ({settings.places['database']})"
    url = settings.database_url.get_secret_value()
    try:
        if not is_current(url):
            yield wrong(what, "lacks the schema of this version; run `budkavle setup`")
            return
        with closing(open_database(url)) as database:
            writable = may_write(database)
            theirs = clock_of(database)
            standbys = find_standbys(database)
    except DatabaseUnavailable as error:
        yield wrong(what, error.detail)
        return
    yield ok(what, "schema current") if writable else wrong(what, "no right to write")
    yield from _standbys(standbys)
    if theirs is not None:
        yield _clocks(abs(utcnow() - theirs))


def _standbys(found: Standbys) -> Iterator[Check]:
    what = "standbys of the database"
    match found:
        case Standbys.SYNCHRONOUS:
            yield ok(what, "a commit waits for one of them")
        case Standbys.ASYNCHRONOUS:
            yield warning(
                what,
                "asynchronous: a failover loses the last commits; set synchronous_standby_names",
            )
        case Standbys.UNKNOWN:
            yield warning(what, "not visible to this role; grant it pg_monitor")


def check_log_key(settings: CommonSettings) -> Iterator[Check]:
    what = "BUDKAVLE_LOG_KEY"
    if settings.digests is None:
        yield warning(what, "not set: `trace` and `actions` find no patient, logs no booking")


def _clocks(apart: timedelta) -> Check:
    detail = f"{apart.total_seconds():.1f} s apart from the database's"
    return ok("clock", detail) if apart <= _CLOCKS_AGREE else warning("clock", detail)
