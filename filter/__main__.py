"""Run the filter as a process: `python -m filter`."""

import sys

from filter.handler import Filter
from filter.metrics import report_dropped, report_refused
from filter.settings import FilterSettings
from filter.unknown import UnknownReport
from shared.base.clock import utcnow
from shared.stage.process import run_stage, start
from shared.stage.tracing import Tracer
from shared.store.engine import open_database
from shared.store.migrate import ensure_sqlite
from shared.store.pending_changes import PendingChanges
from shared.store.sources import CachedRegister, SourceRegister
from shared.store.unknown_sources import UnknownSources

#: How long after the former batch the next one begins, while notifications keep coming.
_LINGER_SECONDS = 0.02


def run(settings: FilterSettings) -> int:
    url = settings.database_url.get_secret_value()
    ensure_sqlite(url)
    database = open_database(url, by_index=True)
    register = SourceRegister(database)
    sources = CachedRegister(lambda: register.snapshot(settings.environment))
    tracer = Tracer("filter", settings)
    pending = PendingChanges(database)
    handler = Filter(sources, report_dropped, report_refused, pending.add, tracer.dropped)
    return run_stage(
        "filter",
        handler,
        settings,
        concurrency=settings.filter_concurrency,
        prefetch=settings.filter_prefetch,
        handle_batch=handler.handle_batch,
        linger=_LINGER_SECONDS,
        tracer=tracer,
        checks={"register": sources.ready},
        report=UnknownReport(UnknownSources(database), settings.environment, utcnow),
        closers=[database.close],
    )


if __name__ == "__main__":
    sys.exit(start("filter", FilterSettings, run))
