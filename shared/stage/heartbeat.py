"""Reports a process of a stage: its readiness, and its rates of the last minute."""

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Gauge

from shared import __version__
from shared.base.clock import utcnow
from shared.base.errors import Unavailable
from shared.base.ids import new_id
from shared.relay import kind_of
from shared.stage.health import Checks
from shared.stage.settings import CommonSettings
from shared.stage.vitals import Vitals

if TYPE_CHECKING:
    from shared.store.processes import StageProcess, StageProcesses

log = structlog.get_logger()

PROCESS_INFO = Gauge(
    "budkavle_process_info",
    "1: a process of this stage runs here, in this version, on this kind of broker.",
    ["stage", "version", "environment", "broker"],
)
READY = Gauge(
    "budkavle_ready", "1 while this check of a stage's readiness passes.", ["stage", "check"]
)

#: How often the checks run and the process writes its row, in seconds.
EVERY_SECONDS = 5.0
_STOP_SECONDS = 2.0

#: Returns what a stage adds to the report of its process, as values of JSON. Called every few
#: seconds; may raise `Unavailable`.
Report = Callable[[], Mapping[str, Any]]


class Heartbeat:
    """Runs the readiness checks and writes the process's row, in a thread of its own.

    `/readyz` runs the checks when it is asked; the metric shows the last answers, so that a scrape
    never waits for a database that does not answer. No work depends on the row: while the database
    is unavailable it is not written.
    """

    def __init__(
        self,
        stage: str,
        settings: CommonSettings,
        checks: Checks,
        report: Report | None = None,
        *,
        take_oldest: Callable[[], float | None] = lambda: None,
        every: float = EVERY_SECONDS,
    ) -> None:
        self._stage = stage
        self._settings = settings
        self._checks = checks
        self._report = report
        self._every = every
        self._vitals = Vitals(stage, take_oldest)
        self._id, self._started_at = new_id(), utcnow()
        self._stopping = Event()
        self._thread = Thread(target=self._live, name="heartbeat", daemon=True)
        broker = kind_of(settings.broker_url.get_secret_value())
        PROCESS_INFO.labels(stage, __version__, settings.environment, broker).set(1)
        for check in checks:
            READY.labels(stage, check).set(0)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Wait for the row to be removed, but not long."""
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)

    def _live(self) -> None:
        # Imported here: ingest needs no database for its work and would start later.
        from shared.store.engine import open_database
        from shared.store.processes import StageProcesses

        url = self._settings.database_url.get_secret_value()
        with closing(open_database(url, pool_size=1)) as database:
            processes = StageProcesses(database)
            self._beat_until_stopped(processes)
            if self._settings.shows_itself:
                _unless_unavailable(lambda: processes.end(self._id))

    def _beat_until_stopped(self, processes: "StageProcesses") -> None:
        while not self._stopping.is_set():
            ready = {name: bool(check()) for name, check in self._checks.items()}
            for name, passes in ready.items():
                READY.labels(self._stage, name).set(passes)
            if self._settings.shows_itself:
                _unless_unavailable(partial(self._show, processes, ready))
            self._stopping.wait(self._every)

    def _show(self, processes: "StageProcesses", ready: Mapping[str, bool]) -> None:
        processes.beat(self._process(self._full_report(ready)))

    def _full_report(self, ready: Mapping[str, bool]) -> Mapping[str, Any]:
        own = self._report() if self._report else {}
        return {"ready": ready, **self._vitals.last_minute(), **own}

    def _process(self, report: Mapping[str, Any]) -> "StageProcess":
        from shared.store.processes import StageProcess

        return StageProcess(
            id=self._id,
            stage=self._stage,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            environment=self._settings.environment,
            started_at=self._started_at,
            beat_at=utcnow(),
            report=report,
        )


def _unless_unavailable(write: Callable[[], None]) -> None:
    try:
        write()
    except Unavailable:
        return
    except Exception:
        log.exception("heartbeat_failed")
