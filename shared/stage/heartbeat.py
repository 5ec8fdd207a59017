"""A stage's signs of life: who runs here, and whether it can do its work."""

from threading import Event, Thread

from prometheus_client import Gauge

from shared import __version__
from shared.relay import kind_of
from shared.stage.health import Checks
from shared.stage.settings import CommonSettings

PROCESS_INFO = Gauge(
    "budkavle_process_info",
    "1: a process of this stage runs here, in this version, on this kind of broker.",
    ["stage", "version", "environment", "broker"],
)
READY = Gauge(
    "budkavle_ready", "1 while this check of a stage's readiness passes.", ["stage", "check"]
)

#: How often the checks run, in seconds: as often as a scrape may want them.
_EVERY_SECONDS = 5.0


class Heartbeat:
    """Runs the readiness checks every few seconds, in a thread of its own.

    `/readyz` runs them when it is asked; the metric shows the last answers, so that a scrape never
    waits for a database that does not answer.
    """

    def __init__(
        self, stage: str, settings: CommonSettings, checks: Checks, *, every: float = _EVERY_SECONDS
    ) -> None:
        self._stage = stage
        self._checks = checks
        self._every = every
        self._stopping = Event()
        self._thread = Thread(target=self._beat, name="heartbeat", daemon=True)
        broker = kind_of(settings.broker_url.get_secret_value())
        PROCESS_INFO.labels(stage, __version__, settings.environment, broker).set(1)
        for check in checks:
            READY.labels(stage, check).set(0)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def _beat(self) -> None:
        while not self._stopping.is_set():
            for name, check in self._checks.items():
                READY.labels(self._stage, name).set(check())
            self._stopping.wait(self._every)
