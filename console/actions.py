"""`budkavle actions`: who did what, when, to which, why, and what came of it."""

from typing import Annotated

import typer

from console.dead_options import Since
from console.opening import opened_database
from console.output import AsJson, print_json, print_rows
from shared.store.actions import Action, ActionLog


def register(app: typer.Typer) -> None:
    app.command("actions")(actions)


def actions(
    *,
    action: Annotated[
        str | None, typer.Option(metavar="WORDS", help="Only this: dead replay, or dead.")
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Only what this one did.")] = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the latest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """What operators did, the latest first. What takes time is there twice: begun, and done."""
    with opened_database() as database:
        found = ActionLog(database).list_latest(most=limit, by=by, action=action, since=since)
    if as_json:
        print_json(found)
        return
    print_rows([_row(one) for one in found], empty="Nothing was done yet.")


def _row(action: Action) -> dict[str, object]:
    return {
        "when": action.at,
        "who": action.by,
        "did": action.action,
        "to which": action.subject,
        "why": action.why or None,
        "outcome": action.outcome,
    }
