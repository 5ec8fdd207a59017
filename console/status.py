"""`budkavle status`: the relay on one screen, what is wrong, and which command helps."""

import time
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from console.dead_groups import Group, grouped
from console.dead_letters import describe
from console.exits import ExitCode
from console.opening import load_settings
from console.operators import looker
from console.output import AsJson, console, print_json, print_rows, say
from console.state import (
    MOST_LOOKED_AT,
    DeadFindings,
    Findings,
    StageState,
    Store,
    Trouble,
    stages_of,
    troubles_of,
)
from shared.base.addresses import place_of
from shared.base.clock import utcnow
from shared.relay import open_broker
from shared.relay.broker import Broker, BrokerError, DeadQueueBusy, NotDeclared, QueueState
from shared.stage.settings import CommonSettings
from shared.store.engine import DatabaseUnavailable, open_database
from shared.store.migrate import is_current
from shared.store.overview import next_slots, uncertain_since
from shared.store.processes import StageProcesses
from shared.store.sources import SourceRegister
from shared.store.unknown_sources import UnknownSources

_EVERY_SECONDS = 2.0
_GROUPS_SHOWN = 10
#: How long another operator at the dead letters is waited for (seconds).
_HOLD_WITHIN = 0.5
_LATELY = timedelta(days=1)


def register(app: typer.Typer) -> None:
    app.command("status")(status)


def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the whole relay, what is wrong with it, and which command helps.

    Exit code 0: all is well. 4: something is wrong.
    """
    settings = load_settings()
    found = find(settings)
    troubles = _show(found, as_json=as_json)
    try:
        while watch:
            time.sleep(_EVERY_SECONDS)
            console().clear()
            found = find(settings, found)
            troubles = _show(found, as_json=as_json)
    except KeyboardInterrupt:
        return
    if troubles:
        raise typer.Exit(ExitCode.TROUBLE)


def _show(found: Findings, *, as_json: bool) -> list[Trouble]:
    stages, troubles = stages_of(found), troubles_of(found)
    if as_json:
        print_json(_document(found, stages, troubles))
    else:
        _print(found, stages, troubles)
    return troubles


def find(settings: CommonSettings, former: Findings | None = None) -> Findings:
    """The state of broker and database. Their errors are findings and are not raised.

    Dead letters are looked at only when their number is not that of `former`.
    """
    places = settings.places
    broker, queues, dead = _ask_broker(settings, places["broker"], former)
    database, known = _ask_database(settings, places["database"])
    return Findings(
        environment=settings.environment,
        now=utcnow(),
        broker=broker,
        database=database,
        queues=queues,
        dead=dead,
        **known,
    )


def _ask_broker(
    settings: CommonSettings, place: str, former: Findings | None
) -> tuple[Store, Sequence[QueueState], DeadFindings]:
    broker = open_broker(settings.broker_url.get_secret_value(), settings.topology)
    with closing(broker):
        try:
            queues = broker.states()
            return Store(place), queues, dead_by_group(broker, queues, former)
        except NotDeclared:
            store = Store(place, "lacks queues of this version", "budkavle setup")
        except BrokerError as error:
            store = Store(place, f"is unavailable ({error})", "see its log")
    return store, (), DeadFindings()


def _dead(queues: Sequence[QueueState]) -> list[int]:
    return [state.dead for state in queues]


def dead_by_group(
    broker: Broker, queues: Sequence[QueueState], former: Findings | None
) -> DeadFindings:
    """Of the stages that have dead letters; those of `former` while their numbers are the same.

    Raises `BrokerUnavailable`.
    """
    if former is not None and _dead(former.queues) == _dead(queues):
        return former.dead
    groups: list[Group] = []
    held: list[str] = []
    for state in queues:
        if not state.dead:
            continue
        try:
            groups += _groups_of(broker, state.stage)
        except DeadQueueBusy as busy:
            held.append(str(busy))
    return DeadFindings(sorted(groups, key=lambda group: -group.count), held)


def _groups_of(broker: Broker, stage: str) -> list[Group]:
    letters = broker.dead_letters(stage, by=looker(), within=_HOLD_WITHIN)
    looked_at = islice(letters, MOST_LOOKED_AT)
    return grouped((describe(stage, envelope), envelope) for envelope in looked_at)


def _ask_database(settings: CommonSettings, place: str) -> tuple[Store, dict[str, Any]]:
    url = settings.database_url.get_secret_value()
    not_set_up = Store(place, "lacks the schema of this version", "budkavle setup")
    if url.startswith("sqlite:") and not Path(place_of(url)).exists():
        return not_set_up, {}
    try:
        if not is_current(url):
            return not_set_up, {}
        return Store(place), _ask_tables(url, settings)
    except DatabaseUnavailable as error:
        return Store(place, f"is unavailable ({error.detail})", "see its log"), {}


def _ask_tables(url: str, settings: CommonSettings) -> dict[str, Any]:
    yesterday = utcnow() - _LATELY
    with closing(open_database(url)) as database:
        unknown = UnknownSources(database).all(settings.environment)
        return {
            "processes": StageProcesses(database).all(),
            "sources": SourceRegister(database).list_all(settings.environment),
            "next_slots": next_slots(database),
            "unknown": [each for each in unknown if each.last_seen >= yesterday],
            "uncertain": uncertain_since(database, yesterday),
        }


def _print(found: Findings, stages: list[StageState], troubles: list[Trouble]) -> None:
    say(f"Environment {found.environment}")
    for name, store, well in (
        ("Broker", found.broker, "answers"),
        ("Database", found.database, "answers, schema current"),
    ):
        say(f"{name:11} {store.place}: {store.trouble or well}")
    rows = [_row(stage, found) for stage in stages]
    print_rows(rows, empty="", numbers=set(rows[0]) - {"stage", "workers"})
    if totals := _totals(found, stages):
        say(totals)
    _print_dead(found.dead)
    if not troubles:
        say("All is well.")
    for trouble in troubles:
        say(f"! {trouble.what}  →  {trouble.help}")


def _totals(found: Findings, stages: Sequence[StageState]) -> str:
    """Of what no stage's row shows; "" when there is none of it."""
    counts = {
        "in the delay queues": found.delayed_total,
        "parked": sum(stage.parked or 0 for stage in stages),
        "discarded": sum(stage.discarded or 0 for stage in stages),
    }
    named = [f"{number} {what}" for what, number in counts.items() if number]
    return ", ".join(named) + "." if named else ""


def _print_dead(dead: DeadFindings) -> None:
    if dead.groups:
        rows = [_group_row(group) for group in dead.groups[:_GROUPS_SHOWN]]
        print_rows(rows, empty="", numbers=("dead",))
    if more := dead.groups[_GROUPS_SHOWN:]:
        say(f"… and {len(more)} groups more: `budkavle dead groups`")
    for line in dead.held:
        say(line)


def _group_row(group: Group) -> dict[str, object]:
    at_least = "at least " if group.count >= MOST_LOOKED_AT else ""
    return {
        "dead": f"{at_least}{group.count}",
        "group\nstage": f"{group.id}\n{group.stage}",
        "reason\nsource system": "\n".join((group.reason, *group.source_systems)),
        "error": group.error,
    }


def _row(stage: StageState, found: Findings) -> dict[str, object]:
    versions = ", ".join(stage.versions)
    return {
        "stage": stage.stage,
        "workers": f"{stage.workers} × {versions}" if stage.workers else "none",
        "up": _rounded(found.now - stage.since if stage.since else None),
        "waiting": stage.waiting,
        "later": stage.later,
        "dead": stage.dead,
        "oldest": _rounded(stage.oldest),
        "/min": stage.handled,
        "faults": stage.faults,
    }


def _rounded(length: timedelta | None) -> str | None:
    """Its largest unit."""
    if length is None:
        return None
    seconds = max(0, int(length.total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _document(
    found: Findings, stages: list[StageState], troubles: list[Trouble]
) -> dict[str, object]:
    return {
        "well": not troubles,
        "environment": found.environment,
        "at": found.now,
        "broker": found.broker,
        "database": found.database,
        "stages": stages,
        "delayed_total": found.delayed_total,
        "dead_groups": found.dead.groups,
        "dead_held": found.dead.held,
        "processes": found.processes,
        "troubles": troubles,
    }
