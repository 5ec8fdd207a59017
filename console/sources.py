"""`budkavle source`: which booking systems are activated, and who did it."""

import getpass
import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import typer

from console.exits import nothing_found
from console.opening import opened_database
from console.output import AsJson, print_json, print_rows, say, shown
from shared.base.clock import utcnow
from shared.booking.environment import Environment
from shared.store.sources import Registered, RegisterEntry, SourceRegister, SourceSystem

#: What a booking system is asked of when nothing else was agreed; it has promised 1 call a second.
_CALLS_PER_SECOND = 5.0
_CALLS_IN_FLIGHT = 4
_LEAST_RATE = 0.01  # one call in 100 s


def _text_of(longest: int) -> Callable[[str], str]:
    def take(text: str) -> str:
        kept = text.strip()
        if not 1 <= len(kept) <= longest:
            raise typer.BadParameter(f"must have 1 to {longest} characters")
        if not kept.isprintable():
            raise typer.BadParameter("must not hold invisible characters")
        return kept

    return take


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        raise typer.BadParameter("say who does this with --by") from None


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not _LEAST_RATE <= rate < math.inf:
        raise typer.BadParameter(f"must be a number from {_LEAST_RATE}")
    return rate


HsaId = Annotated[
    str,
    typer.Argument(
        metavar="HSAID", parser=_text_of(64), help="What the booking system sends as sourceSystem."
    ),
]
Name = Annotated[str, typer.Option(metavar="NAME", parser=_text_of(200), help="The system's name.")]
Chosen = Annotated[Environment, typer.Option(help="Where it is activated; qa and prod never mix.")]
Rate = Annotated[
    float,
    typer.Option(metavar="NUMBER", parser=_rate, help="Calls to it, over all fetchers together."),
]
By = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        parser=_text_of(100),
        default_factory=_operator,
        show_default="you",
        help="Who does this.",
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
    calls_per_second: Rate = _CALLS_PER_SECOND,
    calls_in_flight: Annotated[
        int, typer.Option(min=1, max=1000, help="Calls to it at the same time, from each fetcher.")
    ] = _CALLS_IN_FLIGHT,
    by: By,
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
        done = SourceRegister(database).add(source)
    say(_told(done, source))


@commands.command()
def remove(hsa_id: HsaId, *, environment: Chosen, by: By) -> None:
    """Deactivate a booking system. Its notifications are ignored from then on."""
    with opened_database() as database:
        removed = SourceRegister(database).remove(hsa_id, environment, by=by, at=utcnow())
    if not removed:
        raise nothing_found(f"{hsa_id} is not activated in {environment}")
    say(f"Removed {hsa_id} from {environment}.")


@commands.command("list")
def list_sources(
    *,
    environment: Annotated[Environment | None, typer.Option(help="Only this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """The activated booking systems."""
    with opened_database() as database:
        sources = SourceRegister(database).list_all(environment)
    if as_json:
        print_json([asdict(source) for source in sources])
        return
    print_rows(
        [_row(source) for source in sources],
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


def _row(source: SourceSystem) -> dict[str, object]:
    return {
        "HSA-id": source.hsa_id,
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
