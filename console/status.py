"""`budkavle status`: the relay on one screen, what is wrong, and which command helps."""

import time
from datetime import timedelta
from typing import Annotated

import typer

from console.exits import ExitCode
from console.findings import find
from console.opening import load_settings
from console.output import AsJson, console, print_json, print_rows, say
from console.state import Findings, StageState, Trouble, stages_of, troubles_of
from shared.stage.settings import CommonSettings

_EVERY_SECONDS = 2.0


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
    troubles = _show(settings, as_json=as_json)
    try:
        while watch:
            time.sleep(_EVERY_SECONDS)
            console().clear()
            troubles = _show(settings, as_json=as_json)
    except KeyboardInterrupt:
        return
    if troubles:
        raise typer.Exit(ExitCode.TROUBLE)


def _show(settings: CommonSettings, *, as_json: bool) -> list[Trouble]:
    found = find(settings)
    stages, troubles = stages_of(found), troubles_of(found)
    if as_json:
        print_json(_document(found, stages, troubles))
    else:
        _print(found, stages, troubles)
    return troubles


def _print(found: Findings, stages: list[StageState], troubles: list[Trouble]) -> None:
    say(f"Environment {found.environment}")
    for name, store, well in (
        ("Broker", found.broker, "answers"),
        ("Database", found.database, "answers, schema current"),
    ):
        say(f"{name:11} {store.place}: {store.trouble or well}")
    rows = [_row(stage, found) for stage in stages]
    print_rows(rows, empty="", numbers=set(rows[0]) - {"stage", "workers"})
    if not troubles:
        say("All is well.")
    for trouble in troubles:
        say(f"! {trouble.what}  →  {trouble.help}")


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
        "processes": found.processes,
        "troubles": troubles,
    }
