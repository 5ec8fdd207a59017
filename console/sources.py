"""`budkavle source`: which booking systems are activated, and who did it."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from console.exits import nothing_found
from console.opening import load_settings, opened_database
from console.operators import By, Note, text_of
from console.output import AsJson, print_json, print_rows, say, shown
from console.recording import Operator, changing
from console.source_file import (
    CALLS_IN_FLIGHT,
    CALLS_PER_SECOND,
    LEAST_RATE,
    LONGEST_HSA_ID,
    LONGEST_NAME,
    MOST_IN_FLIGHT,
    read_sources,
)
from console.state import ALIVE, breakers_of
from shared.base.clock import utcnow
from shared.booking.environment import Environment
from shared.store.engine import Database
from shared.store.processes import StageProcesses
from shared.store.sources import Registered, RegisterEntry, SourceRegister, SourceSystem
from shared.store.unknown_sources import UnknownSource, UnknownSources


def call_rate(text: str) -> float:
    """Calls a second. Raises `typer.BadParameter`."""
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not LEAST_RATE <= rate < math.inf:
        raise typer.BadParameter(f"must be a number from {LEAST_RATE}")
    return rate


HsaId = Annotated[
    str,
    typer.Argument(
        metavar="HSAID",
        parser=text_of(LONGEST_HSA_ID),
        help="What it sends as sourceSystem.",
    ),
]
Name = Annotated[
    str, typer.Option(metavar="NAME", parser=text_of(LONGEST_NAME), help="The system's name.")
]
Chosen = Annotated[Environment, typer.Option(help="Where it is activated; qa and prod never mix.")]
Rate = Annotated[
    float,
    typer.Option(
        metavar="NUMBER", parser=call_rate, help="Calls to it, over all fetchers together."
    ),
]

commands = typer.Typer(no_args_is_help=True, help="Activated booking systems.")


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="source")


@commands.command()
def add(
    hsa_id: HsaId,
    *,
    name: Name,
    environment: Chosen,
    calls_per_second: Rate = CALLS_PER_SECOND,
    calls_in_flight: Annotated[
        int,
        typer.Option(min=1, max=MOST_IN_FLIGHT, help="Calls at the same time, from each fetcher."),
    ] = CALLS_IN_FLIGHT,
    by: By,
    note: Note = "",
) -> None:
    """Activate a booking system, or change one that is active. In force within 5 seconds."""
    source = SourceSystem(
        hsa_id=hsa_id,
        name=name,
        environment=environment,
        calls_per_second=calls_per_second,
        calls_in_flight=calls_in_flight,
        activated_by=by,
        activated_at=utcnow(),
    )
    with opened_database() as database:
        done = activate(database, source, note)
    say(_told(done, source))
    own = load_settings().environment
    if own != environment:
        say(f"This installation handles {own} (BUDKAVLE_ENVIRONMENT): it ignores this system.")


@commands.command()
def remove(hsa_id: HsaId, *, environment: Chosen, by: By, note: Note = "") -> None:
    """Deactivate a booking system. Its notifications are ignored from then on."""
    with opened_database() as database:
        removed = deactivate(database, hsa_id, environment, Operator(by, note))
    if not removed:
        raise nothing_found(f"{hsa_id} is not activated in {environment}")
    say(f"Removed {hsa_id} from {environment}.")


@commands.command()
def pause(hsa_id: HsaId, *, environment: Chosen, by: By, note: Note = "") -> None:
    """Ask nothing of a booking system until `resume`. Its changes wait, and spend no attempts."""
    _set_pause(hsa_id, environment, Operator(by, note), paused=True)
    say(f"Paused {hsa_id} in {environment}. Within 5 seconds nothing is asked of it any more.")


@commands.command()
def resume(hsa_id: HsaId, *, environment: Chosen, by: By, note: Note = "") -> None:
    """Ask a paused booking system again. What waits comes at its own rate, from a minute on."""
    _set_pause(hsa_id, environment, Operator(by, note), paused=False)
    say(f"Resumed {hsa_id} in {environment}.")


def _set_pause(hsa_id: str, environment: Environment, operator: Operator, *, paused: bool) -> None:
    with opened_database() as database:
        done = set_pause(database, hsa_id, environment, operator, paused=paused)
    if not done:
        former = "paused already" if paused else "not paused"
        raise nothing_found(f"{hsa_id} is {former}, or not activated in {environment}")


def activate(database: Database, source: SourceSystem, note: str) -> Registered:
    """Activate or change a booking system, and record it. Raises `DatabaseUnavailable`."""
    with changing(database, "source add", Operator(source.activated_by, note)) as change:
        done = SourceRegister(change.database).add(source)
        change.subject = _subject(source.hsa_id, source.environment)
        change.outcome = "" if done is Registered.UNCHANGED else str(done)
    return done


def deactivate(
    database: Database, hsa_id: str, environment: Environment, operator: Operator
) -> bool:
    """Deactivate a booking system, and record it. False when it was not active.

    Raises `DatabaseUnavailable`.
    """
    with changing(database, "source remove", operator) as change:
        register = SourceRegister(change.database)
        removed = register.remove(hsa_id, environment, by=operator.by, at=utcnow())
        change.subject = _subject(hsa_id, environment)
        change.outcome = "removed" if removed else ""
    return removed


def set_pause(
    database: Database,
    hsa_id: str,
    environment: Environment,
    operator: Operator,
    *,
    paused: bool,
) -> bool:
    """Pause or resume a booking system, and record it. False when there is nothing to do.

    Raises `DatabaseUnavailable`.
    """
    action = "source pause" if paused else "source resume"
    with changing(database, action, operator) as change:
        register = SourceRegister(change.database)
        set_state = register.pause if paused else register.resume
        done = set_state(hsa_id, environment, by=operator.by, at=utcnow())
        change.subject = _subject(hsa_id, environment)
        change.outcome = ("paused" if paused else "resumed") if done else ""
    return done


def _subject(hsa_id: str, environment: Environment) -> str:
    return f"{hsa_id} in {environment}"


@commands.command("import")
def import_sources(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="A CSV file with a heading."),
    ],
    *,
    environment: Chosen,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only read the file; nothing is changed.")
    ] = False,
    by: By,
    note: Note = "",
) -> None:
    """Activate or change many booking systems, by a file: all of them, or none at a fault.

    The heading names the columns hsa_id and name, and maybe calls_per_second and calls_in_flight.
    They are separated by commas or semicolons, in UTF-8. A system that is not in the file stays.
    """
    sources = read_sources(file, environment, by)
    if dry_run:
        say(f"{len(sources)} booking systems could be read; nothing was changed.")
        return
    with (
        opened_database() as database,
        changing(database, "source import", Operator(by, note)) as change,
    ):
        done = Counter(SourceRegister(change.database).add_all(sources))
        change.subject = f"{file.name} in {environment}"
        change.outcome = ", ".join(f"{done[kind]} {kind}" for kind in Registered)
    say(f"{change.outcome}.")


@commands.command()
def unknown(
    *,
    environment: Annotated[
        Environment | None, typer.Option(help="Of this one; default: this installation's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Booking systems that send notifications and are not activated, the latest first."""
    wanted = environment or load_settings().environment
    with opened_database() as database:
        found = UnknownSources(database).all(wanted)
    if as_json:
        print_json(found)
        return
    print_rows([_unknown_row(each) for each in found], empty="None.", numbers=("engagements",))


def _unknown_row(source: UnknownSource) -> dict[str, object]:
    return {
        "HSA-id": source.hsa_key,
        "engagements": source.engagements,
        "first seen": source.first_seen,
        "last seen": source.last_seen,
    }


@commands.command("list")
def list_sources(
    *,
    environment: Annotated[Environment | None, typer.Option(help="Only this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """The activated booking systems, and whether they are asked."""
    with opened_database() as database:
        sources = SourceRegister(database).list_all(environment)
        processes = StageProcesses(database).all()
    breakers = breakers_of([each for each in processes if utcnow() - each.beat_at < ALIVE])
    if as_json:
        print_json([{**asdict(each), "state": state_of(each, breakers)} for each in sources])
        return
    print_rows(
        [_row(source, breakers) for source in sources],
        empty="No booking system is activated.",
        numbers=("calls/s", "in flight"),
    )


@commands.command()
def log(
    hsa_id: Annotated[
        str | None, typer.Argument(metavar="HSAID", help="Only of this system.", show_default=False)
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Who activated, changed or deactivated booking systems, the latest first."""
    with opened_database() as database:
        entries = SourceRegister(database).log(hsa_id)
    if as_json:
        print_json(entries)
        return
    print_rows([_log_row(entry) for entry in entries], empty="Nothing was done yet.")


def _log_row(entry: RegisterEntry) -> dict[str, object]:
    return {
        "when": entry.at,
        "who": entry.by,
        "did": entry.action,
        "HSA-id": entry.hsa_key,
        "env": entry.environment,
        "what": ", ".join(f"{name} {shown(value)}" for name, value in entry.details.items()),
    }


def state_of(source: SourceSystem, breakers: Mapping[str, Mapping[str, Any]]) -> str:
    """`active`, `paused` or `breaker_open`."""
    if source.paused:
        return "paused"
    return "breaker_open" if source.key in breakers else "active"


def _row(source: SourceSystem, breakers: Mapping[str, Mapping[str, Any]]) -> dict[str, object]:
    return {
        "HSA-id": source.hsa_id,
        "state": state_of(source, breakers),
        "name": source.name,
        "env": source.environment,
        "calls/s": source.calls_per_second,
        "in flight": source.calls_in_flight,
        "activated by": source.activated_by,
        "activated": source.activated_at,
    }


def _told(done: Registered, source: SourceSystem) -> str:
    what = f"{source.hsa_id} ({source.name}) in {source.environment}"
    match done:
        case Registered.ADDED:
            return f"Activated {what}."
        case Registered.CHANGED:
            return f"Changed {what}."
        case Registered.UNCHANGED:
            return f"{what} was activated like this already."
