"""`budkavle status`: the relay on one screen, what is wrong, and which command helps."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer

from console.dead_groups import Group
from console.exits import ExitCode
from console.findings import find
from console.opening import load_settings
from console.output import AsJson, console, print_json, print_rows, say
from console.state import (
    MOST_LOOKED_AT,
    DeadFindings,
    Findings,
    StageState,
    Trouble,
    stages_of,
    troubles_of,
)

_EVERY_SECONDS = 2.0
_GROUPS_SHOWN = 10


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
