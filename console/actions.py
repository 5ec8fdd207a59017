"""`budkavle actions`: who did or looked at what, when, to which, why, and what came of it."""

from typing import Annotated, Any

import typer

from console.dead_options import Since
from console.exits import ExitCode, Refused
from console.opening import load_settings, opened_database
from console.output import AsJson, print_json, print_rows, shown
from console.persons import person_number
from shared.store.actions import Action, ActionLog


def register(app: typer.Typer) -> None:
    app.command("actions")(actions)


def actions(
    *,
    action: Annotated[
        str | None, typer.Option(metavar="WORDS", help="Only this: dead replay, dead, reveal, …")
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Only what this one did.")] = None,
    since: Since = None,
    person: Annotated[
        Any,
        typer.Option(
            parser=person_number, metavar="PERSON", help="Only what concerned this patient."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the latest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """What operators did, the latest first. What takes time is there twice: begun, and done."""
    about = None if person is None else _digest_of(person)
    with opened_database() as database:
        found = ActionLog(database).list_latest(
            most=limit, by=by, action=action, since=since, about=about
        )
    if as_json:
        print_json(found)
        return
    print_rows([_row(one) for one in found], empty="Nothing was done yet.")


def _digest_of(person: str) -> str:
    """Raises `Refused` without a key: then no action names a patient."""
    digests = load_settings().digests
    if digests is None:
        raise Refused("BUDKAVLE_LOG_KEY is not set: no action names a patient", ExitCode.USAGE)
    return digests.patient(person)


def _row(action: Action) -> dict[str, object]:
    return {
        "when\nwho": f"{shown(action.at)}\n{action.by}",
        "did\nto which": f"{action.action}\n{action.subject}",
        "why\noutcome": f"{action.why or '–'}\n{action.outcome}",
    }
