"""What takes time and was begun on a page: it runs on a thread, and pages show how far it came."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Lock, Thread

import structlog

from console.dead_letters import Selection
from console.exits import explained
from console.replay import Progress
from shared.base.clock import utcnow
from shared.base.ids import new_id
from shared.relay.topology import Place
from shared.store.actions import ActionLog

log = structlog.get_logger()

#: So many are remembered, the latest.
_KEPT = 50


@dataclass(slots=True)
class Job:
    """`progress` is that of a replay, `moved` that of a move. `fault`: what ended it, in words."""

    action: str  # as the log of actions has it: "dead replay"
    by: str
    why: str
    selection: Selection
    source: Place = Place.DEAD
    target: Place | None = None
    total: int = 0  # letters that were there when it began
    id: str = field(default_factory=new_id)
    started: datetime = field(default_factory=utcnow)
    progress: Progress = field(default_factory=Progress)
    moved: int | None = None
    ended: bool = False
    ended_at: datetime | None = None
    outcome: str = ""
    fault: str = ""
    stopping: Event = field(default_factory=Event)


#: Does a job, by the run that the log of actions has for it; what came of it, in words.
Work = Callable[[Job, str], str]


class Jobs:
    """Those of one process. Thread-safe."""

    def __init__(self, actions: Callable[[], ActionLog]) -> None:
        self._actions = actions
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = Lock()

    def start(self, job: Job, work: Work, *, after: Callable[[], None]) -> None:
        """Record and do it; `after` it, whatever came of it."""
        with self._lock:
            self._jobs[job.id] = job
            while len(self._jobs) > _KEPT:
                self._jobs.popitem(last=False)
        Thread(target=self._run, args=(job, work, after), name="job").start()

    def find(self, id_: str) -> Job | None:
        return self._jobs.get(id_)

    def latest(self) -> list[Job]:
        with self._lock:
            return [*reversed(self._jobs.values())]

    def _run(self, job: Job, work: Work, after: Callable[[], None]) -> None:
        try:
            with self._recorded(job) as (run, ended):
                job.outcome = work(job, run)
                ended(job.outcome)
        except Exception as error:
            known = explained(error)
            job.fault = known[0] if known else type(error).__name__
            log.exception("job_failed", action=job.action)
        finally:
            job.ended_at = utcnow()
            job.ended = True
            after()

    def _recorded(self, job: Job) -> AbstractContextManager[tuple[str, Callable[[str], None]]]:
        subject = str(job.selection)
        return self._actions().recorded(job.action, by=job.by, subject=subject, why=job.why)
