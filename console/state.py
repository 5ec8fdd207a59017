"""The state of the relay as one value, from what broker, database and processes say. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from console.dead_groups import Group
from shared.booking.environment import Environment
from shared.booking.identity import hsa_key
from shared.booking.times import STOCKHOLM
from shared.relay.broker import QueueState
from shared.relay.topology import STAGES
from shared.store.processes import StageProcess
from shared.store.sources import SourceSystem
from shared.store.unknown_sources import UnknownSource

#: A process that has not shown itself for so long is taken for gone; it does so every 5 s.
ALIVE = timedelta(seconds=30)
#: How many dead letters of a stage are looked at: more would take seconds on RabbitMQ.
MOST_LOOKED_AT = 500
#: How long a process that went without a word is spoken of.
_REMEMBERED = timedelta(minutes=10)
#: A process counts its last minute once it has lived for most of one (seconds).
_A_MINUTE = 55


@dataclass(frozen=True, slots=True)
class Store:
    """Broker or database: kind and place, and what is wrong with it ("" when nothing is)."""

    place: str
    trouble: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong, and which command or deed helps."""

    what: str
    help: str


@dataclass(frozen=True, slots=True)
class StageState:
    """One stage. None: not known. `handled` and `faults` are of the last minute."""

    stage: str
    workers: int
    versions: tuple[str, ...]
    since: datetime | None  # when the oldest of its processes started
    waiting: int | None
    later: int | None
    dead: int | None
    parked: int | None
    discarded: int | None
    oldest: timedelta | None  # age of the oldest message handled in the last minute
    handled: int
    faults: int


@dataclass(frozen=True, slots=True)
class DeadFindings:
    """Dead letters by group: of each stage the oldest ones, at most `MOST_LOOKED_AT`."""

    groups: Sequence[Group] = ()
    held: Sequence[str] = ()  # by whom others are, in words


@dataclass(frozen=True, slots=True)
class Findings:
    """What was read. Empty where the broker or the database could not be asked."""

    environment: Environment
    now: datetime
    broker: Store
    database: Store
    queues: Sequence[QueueState] = ()
    dead: DeadFindings = DeadFindings()
    processes: Sequence[StageProcess] = ()
    sources: Sequence[SourceSystem] = ()
    next_slots: Mapping[str, datetime] = field(default_factory=dict)
    unknown: Sequence[UnknownSource] = ()
    uncertain: int = 0

    @property
    def alive(self) -> list[StageProcess]:
        return [each for each in self.processes if self.now - each.beat_at < ALIVE]

    @property
    def delayed_total(self) -> int | None:
        """In the delays of all stages together."""
        return next((state.delayed_total for state in self.queues), None)

    def of_stage(self, stage: str) -> list[StageProcess]:
        return [each for each in self.alive if each.stage == stage]


def stages_of(found: Findings) -> list[StageState]:
    queues = {state.stage: state for state in found.queues}
    return [_stage(stage, found.of_stage(stage), queues.get(stage)) for stage in STAGES]


def _stage(stage: str, workers: list[StageProcess], queue: QueueState | None) -> StageState:
    ages = [age for each in workers if (age := each.report.get("oldest")) is not None]
    return StageState(
        stage=stage,
        workers=len(workers),
        versions=tuple(sorted({each.version for each in workers})),
        since=min((each.started_at for each in workers), default=None),
        waiting=queue.ready if queue else None,
        later=queue.delayed if queue else None,
        dead=queue.dead if queue else None,
        parked=queue.parked if queue else None,
        discarded=queue.discarded if queue else None,
        oldest=timedelta(seconds=max(ages)) if ages else None,
        handled=sum(each.report.get("handled", 0) for each in workers),
        faults=sum(each.report.get("faults", 0) for each in workers),
    )


def breakers_of(processes: Sequence[StageProcess]) -> dict[str, Mapping[str, Any]]:
    """Open circuit breakers by upper-case HSA-id; of several processes' the first to open."""
    reports = [breaker for each in processes for breaker in each.report.get("breakers", ())]
    ordered = sorted(reports, key=lambda breaker: breaker["opened_at"], reverse=True)
    return {hsa_key(breaker["source"]): breaker for breaker in ordered}


def troubles_of(found: Findings) -> list[Trouble]:
    """What wants a person, the worst first. None of it: all is well."""
    return [
        *_of_stores(found),
        *_of_processes(found),
        *_of_queues(found),
        *_of_sources(found),
        *_of_notices(found),
    ]


def _of_stores(found: Findings) -> Iterator[Trouble]:
    for name, store in (("broker", found.broker), ("database", found.database)):
        if store.trouble:
            yield Trouble(f"The {name} ({store.place}): {store.trouble}.", store.help)


def _of_processes(found: Findings) -> Iterator[Trouble]:
    if found.database.trouble:
        return  # nothing is known of them
    for stage in STAGES:
        if not found.of_stage(stage):
            yield Trouble(f"No {stage} runs.", f"budkavle run {stage}")
    for each in found.processes:
        who = f"{each.stage} at {each.host}, process {each.pid}"
        failing = [name for name, passes in each.report.get("ready", {}).items() if not passes]
        if ALIVE <= found.now - each.beat_at < _REMEMBERED:
            yield Trouble(
                f"The {who} is silent since {_clock(each.beat_at.isoformat())}.", "see its log"
            )
        elif failing and each in found.alive:
            yield Trouble(f"The {who} is not ready: {', '.join(failing)}.", "see its log")
        if each in found.alive and each.environment != found.environment:
            yield Trouble(f"The {who} runs for {each.environment}.", "BUDKAVLE_ENVIRONMENT")


def _of_queues(found: Findings) -> Iterator[Trouble]:
    for state in found.queues:
        workers = found.of_stage(state.stage)
        if state.ready and workers and _stands_still(workers):
            yield Trouble(
                f"{state.ready} wait for the {state.stage}, which has handled none for a minute.",
                "see its log",
            )
        if state.dead:
            letters = "1 dead letter" if state.dead == 1 else f"{state.dead} dead letters"
            yield Trouble(f"{letters} of the {state.stage}.", f"budkavle dead list {state.stage}")


def _stands_still(workers: list[StageProcess]) -> bool:
    return all(
        each.report.get("seconds", 0) >= _A_MINUTE and not each.report.get("handled")
        for each in workers
    )


def _of_sources(found: Findings) -> Iterator[Trouble]:
    known = {source.key: source for source in found.sources}
    for key, breaker in breakers_of(found.alive).items():
        waiting = _most_waiting(known.get(key), found.next_slots.get(key), found.now)
        since, probe = (_clock(breaker[name]) for name in ("opened_at", "next_probe"))
        yield Trouble(
            f"{breaker['source']}: circuit breaker open since {since}"
            f" ({breaker['reason']}), up to {waiting} wait, next probe {probe}.",
            "tell its owner",
        )
    for source in found.sources:
        if source.paused_at is not None:
            yield Trouble(
                f"{source.hsa_id}: paused by {source.paused_by} since"
                f" {source.paused_at.astimezone(STOCKHOLM):%Y-%m-%d %H:%M}.",
                f"budkavle source resume {source.hsa_id} --environment {source.environment}",
            )
    if found.unknown:
        names = ", ".join(each.hsa_key for each in found.unknown[:3])
        more = " and others" if len(found.unknown) > 3 else ""
        yield Trouble(
            f"Systems that are not activated send: {names}{more}.", "budkavle source unknown"
        )


def _clock(instant: str) -> str:
    return f"{datetime.fromisoformat(instant).astimezone(STOCKHOLM):%H:%M:%S}"


def _most_waiting(source: SourceSystem | None, line_ends: datetime | None, now: datetime) -> int:
    """At most so many changes wait, since each that waits holds a slot of the source's line."""
    if source is None or line_ends is None:
        return 0
    return max(0, round((line_ends - now).total_seconds() * source.calls_per_second))


def _of_notices(found: Findings) -> Iterator[Trouble]:
    if found.uncertain:
        yield Trouble(
            f"{found.uncertain} notices became uncertain in the last day.",
            "budkavle notices --status uncertain",
        )
    off = {str(name) for each in found.alive for name in each.report.get("channels_off", ())}
    if off and any(state.dead for state in found.queues if state.stage == "notifier"):
        yield Trouble(
            f"The notifier has no provider of {' and '.join(sorted(off))}.",
            "BUDKAVLE_SMS_URL, BUDKAVLE_SMTP_URL",
        )
