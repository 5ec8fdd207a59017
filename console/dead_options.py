"""How commands about dead letters are told which letters are meant."""

import functools
import inspect
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from console.dead_letters import Selection
from shared.base.clock import utcnow
from shared.relay.topology import READING_STAGES, Place

_SWEDEN = ZoneInfo("Europe/Stockholm")
_AGO = re.compile(r"(\d{1,5})\s*(min|h|d)")
_SAY_WHICH = (
    "say which letters: a stage, --group, --reason, --source, --unit, --since or --id; or --all"
)
_UNITS = {"min": "minutes", "h": "hours", "d": "days"}


def instant(text: str) -> datetime:
    """`2026-12-03`, `2026-12-03T09:00` in Swedish time, or `2h` ago."""
    if ago := _AGO.fullmatch(text.strip()):
        return utcnow() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter("is neither a date or time nor like 30min, 2h or 3d") from None
    return found if found.tzinfo else found.replace(tzinfo=_SWEDEN)


# A parsed option: typer knows no union of a parsed type and None.
Since = Annotated[
    Any,
    typer.Option(
        parser=instant, metavar="WHEN", help="Only what is newer: a date, a time, or 2h (ago)."
    ),
]
In = Annotated[
    Place, typer.Option("--in", help="The dead ones, or those that were parked or discarded.")
]
All = Annotated[bool, typer.Option("--all", help="All of them, of all stages.")]


def _filters(
    stage: Annotated[
        str | None, typer.Argument(metavar="STAGE", help="Only this stage's.", show_default=False)
    ] = None,
    *,
    reason: Annotated[str | None, typer.Option(help="Only letters that died for this.")] = None,
    source: Annotated[
        str | None, typer.Option(metavar="HSAID", help="Only letters of this booking system.")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(metavar="HSAID", help="Only letters about bookings at this unit.")
    ] = None,
    since: Since = None,
    groups: Annotated[
        list[str] | None,
        typer.Option("--group", metavar="ID", help="Only this group's; may be repeated."),
    ] = None,
    ids: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="ID", help="Only this letter; may be repeated."),
    ] = None,
) -> Selection:
    """Raises `typer.BadParameter` for a stage that does not exist."""
    if stage is not None and stage not in READING_STAGES:
        raise typer.BadParameter(f"no such stage; there are {', '.join(READING_STAGES)}")
    stages = READING_STAGES if stage is None else (stage,)
    return Selection(
        stages, reason, source, frozenset(ids or ()), frozenset(groups or ()), unit, since
    )


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the arguments that say which letters; it gets them as `selection`."""
    filters = inspect.signature(_filters).parameters
    own = [one for name, one in _parameters(command) if name != "selection"]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        chosen = {name: given.pop(name) for name in filters}
        command(selection=_filters(**chosen), **given)

    return _with_parameters(run, [*filters.values(), *own])


def selecting_for_good(command: Callable[..., None]) -> Callable[..., None]:
    """As `selecting`, for what changes something: all letters are meant by `--all` alone."""
    everything = inspect.Parameter(
        "everything", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=All
    )

    @functools.wraps(command)
    def run(*, everything: bool, selection: Selection, **given: Any) -> None:
        if everything == (selection != Selection(READING_STAGES)):
            raise typer.BadParameter(_SAY_WHICH)
        command(selection=selection, **given)

    own = [one for _, one in _parameters(command)]
    return selecting(_with_parameters(run, [*own, everything]))


def _parameters(command: Callable[..., None]) -> list[tuple[str, inspect.Parameter]]:
    return list(inspect.signature(command).parameters.items())


def _with_parameters(
    run: Callable[..., None], parameters: list[inspect.Parameter]
) -> Callable[..., None]:
    """As typer reads them: the signature, and the annotations by themselves."""
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    del run.__wrapped__  # type: ignore[attr-defined]
    return run
