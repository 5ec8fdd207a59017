"""`budkavle source`: which booking systems are activated, and who did it."""

import getpass
from dataclasses import asdict
from typing import Annotated

import typer

from console.exits import nothing_found
from console.opening import opened_database
from console.output import AsJson, print_json, print_rows, say
from shared.clock import utcnow
from shared.database.sources import Registered, SourceRegister, SourceSystem
from shared.settings import Environment

#: The producers' promise is 1 call a second at the least; 5 is what most of them bear.
_CALLS_PER_SECOND = 5.0
_CALLS_IN_FLIGHT = 4

HsaId = Annotated[
    str, typer.Argument(metavar="HSAID", help="What the booking system sends as sourceSystem.")
]
Chosen = Annotated[Environment, typer.Option(help="Where it is activated; qa and prod never mix.")]
By = Annotated[str, typer.Option(default_factory=getpass.getuser, help="Who does this.")]

commands = typer.Typer(no_args_is_help=True, help="Activated booking systems.")


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="source")


@commands.command()
def add(
    hsa_id: HsaId,
    *,
    name: Annotated[str, typer.Option(help="The system's name.")],
    environment: Chosen,
    calls_per_second: Annotated[
        float, typer.Option(min=0.01, help="Calls to it, over all fetchers together.")
    ] = _CALLS_PER_SECOND,
    calls_in_flight: Annotated[
        int, typer.Option(min=1, help="Calls to it at the same time, from each fetcher.")
    ] = _CALLS_IN_FLIGHT,
    by: By,
) -> None:
    """Activate a booking system, or change one that is active. In force within 5 seconds."""
    source = SourceSystem(
        hsa_id=hsa_id.strip(),
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
