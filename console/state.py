"""The state of the relay as one value, from what broker, database and processes say. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from console.dead_groups import Group
from console.replicas import Replicas
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


#: What a trouble says, by its kind.
TEXTS = {
    "broker": "The broker ({place}): {trouble}.",
    "database": "The database ({place}): {trouble}.",
    "missing": "No {stage} runs.",
    "silent": "The {stage} at {host}, process {pid} is silent since {since}.",
    "not_ready": "The {stage} at {host}, process {pid} is not ready: {checks}.",
    "environment": "The {stage} at {host}, process {pid} runs for {environment}.",
    "stands_still": "{number} wait for the {stage}, which has handled none for a minute.",
    "dead_one": "1 dead letter of the {stage}.",
    "dead": "{number} dead letters of the {stage}.",
    "replicas": "{number} queues have fewer than {least} replicas: {queue} has {replicas}.",
    "replicas_unknown": "Replicas cannot be counted: {trouble}.",
    "breaker_open": "{source}: circuit breaker open since {since} ({reason}), up to {waiting} wait,"
    " next probe {probe}.",
    "paused": "{source}: paused by {by} since {since}.",
    "not_activated": "Systems that are not activated send: {sources}.",
    "not_activated_many": "Systems that are not activated send: {sources} and others.",
    "uncertain": "{number} notices became uncertain in the last day.",
    "channel_off": "The notifier has no provider of {channels}.",
}


@dataclass(frozen=True, slots=True)
class Store:
    """Broker or database: kind and place, and what is wrong with it ("" when nothing is)."""

    place: str
    trouble: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong, and which command or deed helps.

    `kind` and `values` say the same without words, for a page in another language.
    """

    what: str
    help: str
    kind: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


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
    replicas: Replicas = field(default_factory=Replicas)
    dead: DeadFindings = DeadFindings()
    processes: Sequence[StageProcess] = ()
    sources: Sequence[SourceSystem] = ()
    next_slots: Mapping[str, datetime] = field(default_factory=dict)
    unknown: Sequence[UnknownSource] = ()
    uncertain: int = 0

    @property
    def alive(self) -> list[StageProcess]:
        return [each for each in self.processes if self.now - each.beat_at < ALIVE]

    def with_sources(self, sources: Sequence[SourceSystem]) -> "Findings":
        """With the register as it was read later."""
        return replace(self, sources=sources)

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
        *_of_replicas(found.replicas),
        *_of_sources(found),
        *_of_notices(found),
    ]


def _trouble(kind: str, help_: str, **values: object) -> Trouble:
    return Trouble(TEXTS[kind].format(**values), help_, kind, values)


def _of_stores(found: Findings) -> Iterator[Trouble]:
    for name, store in (("broker", found.broker), ("database", found.database)):
        if store.trouble:
            yield _trouble(name, store.help, place=store.place, trouble=store.trouble)


def _of_processes(found: Findings) -> Iterator[Trouble]:
    if found.database.trouble:
        return  # nothing is known of them
    for stage in STAGES:
        if not found.of_stage(stage):
            yield _trouble("missing", f"budkavle run {stage}", stage=stage)
    for each in found.processes:
        yield from _of_process(found, each)


def _of_process(found: Findings, process: StageProcess) -> Iterator[Trouble]:
    who = {"stage": process.stage, "host": process.host, "pid": process.pid}
    failing = [name for name, passes in process.report.get("ready", {}).items() if not passes]
    alive = process in found.alive
    if ALIVE <= found.now - process.beat_at < _REMEMBERED:
        yield _trouble("silent", "see its log", **who, since=_clock(process.beat_at.isoformat()))
    elif failing and alive:
        yield _trouble("not_ready", "see its log", **who, checks=", ".join(failing))
    if alive and process.environment != found.environment:
        name = process.environment
        yield _trouble("environment", "BUDKAVLE_ENVIRONMENT", **who, environment=name)


def _of_queues(found: Findings) -> Iterator[Trouble]:
    for state in found.queues:
        workers = found.of_stage(state.stage)
        if state.ready and workers and _stands_still(workers):
            yield _trouble("stands_still", "see its log", stage=state.stage, number=state.ready)
        if state.dead:
            kind = "dead_one" if state.dead == 1 else "dead"
            list_them = f"budkavle dead list {state.stage}"
            yield _trouble(kind, list_them, stage=state.stage, number=state.dead)


def _stands_still(workers: list[StageProcess]) -> bool:
    return all(
        each.report.get("seconds", 0) >= _A_MINUTE and not each.report.get("handled")
        for each in workers
    )


def _of_replicas(found: Replicas) -> Iterator[Trouble]:
    if found.unknown:
        management = "BUDKAVLE_BROKER_MANAGEMENT_URL"
        yield _trouble("replicas_unknown", management, trouble=found.unknown)
    if found.fewer:
        queue, replicas = found.fewest
        number, least = len(found.fewer), found.least
        values = {"number": number, "least": least, "queue": queue, "replicas": replicas}
        yield _trouble("replicas", "rabbitmq-queues grow", **values)


def _of_sources(found: Findings) -> Iterator[Trouble]:
    known = {source.key: source for source in found.sources}
    for key, breaker in breakers_of(found.alive).items():
        yield _trouble(
            "breaker_open",
            "tell its owner",
            source=breaker["source"],
            since=_clock(breaker["opened_at"]),
            reason=breaker["reason"],
            waiting=most_waiting(known.get(key), found.next_slots.get(key), found.now),
            probe=_clock(breaker["next_probe"]),
        )
    for source in found.sources:
        if source.paused_at is not None:
            resume = f"budkavle source resume {source.hsa_id} --environment {source.environment}"
            since = f"{source.paused_at.astimezone(STOCKHOLM):%Y-%m-%d %H:%M}"
            yield _trouble("paused", resume, source=source.hsa_id, by=source.paused_by, since=since)
    if found.unknown:
        names = ", ".join(each.hsa_key for each in found.unknown[:3])
        kind = "not_activated_many" if len(found.unknown) > 3 else "not_activated"
        yield _trouble(kind, "budkavle source unknown", sources=names)


def _clock(instant: str) -> str:
    return f"{datetime.fromisoformat(instant).astimezone(STOCKHOLM):%H:%M:%S}"


def most_waiting(source: SourceSystem | None, line_ends: datetime | None, now: datetime) -> int:
    """At most so many changes wait, since each that waits holds a slot of the source's line."""
    if source is None or line_ends is None:
        return 0
    return max(0, round((line_ends - now).total_seconds() * source.calls_per_second))


def _of_notices(found: Findings) -> Iterator[Trouble]:
    if found.uncertain:
        list_them = "budkavle notices --status uncertain"
        yield _trouble("uncertain", list_them, number=found.uncertain)
    off = {str(name) for each in found.alive for name in each.report.get("channels_off", ())}
    if off and any(state.dead for state in found.queues if state.stage == "notifier"):
        channels = " and ".join(sorted(off))
        yield _trouble("channel_off", "BUDKAVLE_SMS_URL, BUDKAVLE_SMTP_URL", channels=channels)
