"""Broker and database: reachable, as this version wants them, and with the rights that we need."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

from console.checks import Check, ok, warning, wrong
from shared.base.clock import utcnow
from shared.relay import MISSING, broker_faults
from shared.relay.broker import BrokerError
from shared.stage.settings import CommonSettings
from shared.store.engine import DatabaseUnavailable, open_database
from shared.store.migrate import is_current
from shared.store.overview import clock_of, may_write

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
    except DatabaseUnavailable as error:
        yield wrong(what, error.detail)
        return
    yield ok(what, "schema current") if writable else wrong(what, "no right to write")
    if theirs is not None:
        yield _clocks(abs(utcnow() - theirs))


def _clocks(apart: timedelta) -> Check:
    detail = f"{apart.total_seconds():.1f} s apart from the database's"
    return ok("clock", detail) if apart <= _CLOCKS_AGREE else warning("clock", detail)
