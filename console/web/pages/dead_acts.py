"""What is done about dead letters: replayed, parked, discarded, restored; seen while it goes on."""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Self

import typer
from starlette.responses import Response

from console.dead_acts import letters_a_second, outcome_of
from console.dead_letters import Selection
from console.dead_moves import Move, move
from console.exits import ExitCode, Refused
from console.replay import Plan, Progress, replay
from console.web.access import Role
from console.web.jobs import Job, Work
from console.web.pages.dead import selection_of
from console.web.visits import NoPage, Page, Stream, Visit, event
from shared.base.redaction import redact
from shared.relay.broker import Envelope
from shared.relay.topology import Place

_LONGEST_CANARY = 1000
_EVERY_SECONDS = 0.5
_MOVES = {
    "park": (Place.DEAD, Place.PARKED),
    "discard": (Place.DEAD, Place.DISCARDED),
    "restore": (Place.DISCARDED, Place.DEAD),
    "unpark": (Place.PARKED, Place.DEAD),
}


@dataclass(frozen=True, slots=True)
class MovedBy(Selection):
    """What one job moved: of the letters it meant, those moved by `by` with `note` while it ran."""

    by: str = ""
    note: str = ""
    after: datetime | None = None
    before: datetime | None = None

    @classmethod
    def job(cls, job: Job) -> Self:
        meant = {each.name: getattr(job.selection, each.name) for each in fields(Selection)}
        return cls(
            **meant,
            by=redact(job.by),
            note=redact(job.why),
            after=job.started,
            before=job.ended_at,
        )

    def takes_envelope(self, stage: str, envelope: Envelope) -> bool:
        aside = envelope.aside
        return (
            aside is not None
            and (aside.by, aside.note) == (self.by, self.note)
            and (self.after is None or aside.at >= self.after)
            and (self.before is None or aside.at <= self.before)
            and Selection.takes_envelope(self, stage, envelope)
        )


def replay_letters(visit: Visit) -> Response:
    selection, why = selection_of(visit.form), visit.note()
    rate = visit.form.get("rate", "").strip()
    canary = _canary(visit)
    a_second = letters_a_second(rate) if rate else math.inf

    def work(job: Job, run: str) -> str:
        plan = Plan(selection=selection, by=job.by, run=run, canary=canary, rate=a_second)

        def take(progress: Progress) -> None:
            job.progress = progress

        with visit.site.broker() as broker:
            ended = replay(broker, plan, on_progress=take, stopping=job.stopping)
        job.progress = ended
        return outcome_of(ended)

    return _start(visit, Job("dead replay", visit.viewer.name, why, selection), work)


def park(visit: Visit) -> Response:
    return _move(visit, "park")


def discard(visit: Visit) -> Response:
    if visit.form.get("sure") != "yes":
        raise Refused(visit.t("sources.not_sure"), ExitCode.USAGE)
    return _move(visit, "discard")


def restore(visit: Visit) -> Response:
    return _move(visit, "unpark" if visit.form.get("in") == Place.PARKED else "restore")


def undo(visit: Visit) -> Response:
    """Bring back what a job parked or discarded, exactly that."""
    done = _job(visit)
    if done.target in (None, Place.DEAD) or not done.ended:
        raise NoPage
    selection = MovedBy.job(done)
    assert done.target is not None  # noqa: S101 - asked above
    job = Job(
        "dead restore", visit.viewer.name, f"undo: {done.why}", selection, done.target, Place.DEAD
    )
    return _start(visit, job, _mover(visit))


def show_job(visit: Visit) -> Response:
    return visit.render("dead_job.html", job=_job(visit))


def stop(visit: Visit) -> Response:
    _job(visit).stopping.set()
    return visit.redirect(f"/dead/job/{visit.path['id']}", done="dead.done_stopping")


async def events(visit: Visit) -> AsyncIterator[str]:
    """Until the job has ended, and once more then."""
    job = _job(visit)
    while True:
        ended = job.ended
        yield event("job", visit.html("dead_job_part.html", job=job))
        if ended:
            yield event("over", "")
            return
        await asyncio.sleep(_EVERY_SECONDS)


def _move(visit: Visit, name: str) -> Response:
    source, target = _MOVES[name]
    action = "dead restore" if target is Place.DEAD else f"dead {name}"
    job = Job(action, visit.viewer.name, visit.note(), selection_of(visit.form), source, target)
    return _start(visit, job, _mover(visit))


def _mover(visit: Visit) -> Work:
    def work(job: Job, _run: str) -> str:
        assert job.target is not None  # noqa: S101 - a move has one
        order = Move(
            selection=job.selection, source=job.source, target=job.target, by=job.by, note=job.why
        )
        with visit.site.broker() as broker:
            job.moved = move(broker, order).total()
        return "1 dead letter" if job.moved == 1 else f"{job.moved} dead letters"

    return work


def _start(visit: Visit, job: Job, work: Work) -> Response:
    visit.site.jobs.start(job, work, after=visit.site.forget_surveys)
    return visit.redirect(f"/dead/job/{job.id}")


def _canary(visit: Visit) -> int:
    text = visit.form.get("canary", "").strip() or "0"
    if not text.isdecimal() or int(text) > _LONGEST_CANARY:
        raise typer.BadParameter(visit.t("dead.bad_canary", most=_LONGEST_CANARY))
    return int(text)


def _job(visit: Visit) -> Job:
    job = visit.site.jobs.find(visit.path["id"])
    if job is None:
        raise NoPage
    return job


PAGES = (
    Page("/dead/replay", replay_letters, Role.OPERATOR, "POST"),
    Page("/dead/park", park, Role.OPERATOR, "POST"),
    Page("/dead/discard", discard, Role.OPERATOR, "POST"),
    Page("/dead/restore", restore, Role.OPERATOR, "POST"),
    Page("/dead/job/{id}", show_job),
    Stream("/dead/job/{id}/events", events),
    Page("/dead/job/{id}/stop", stop, Role.OPERATOR, "POST"),
    Page("/dead/job/{id}/undo", undo, Role.OPERATOR, "POST"),
)
