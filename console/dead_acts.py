"""`budkavle dead replay|park|discard|restore`: what operators do about dead letters."""

import math
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Annotated, Any

import typer

from console.dead_groups import grouped
from console.dead_letters import Selection
from console.dead_moves import Move, move
from console.dead_options import selecting_for_good
from console.exits import ExitCode, Refused, nothing_found
from console.opening import opened_broker, opened_database
from console.operators import By, Note
from console.output import AsJson, print_json, say
from console.replay import Plan, Progress, Stopped, replay
from console.replay_bar import replay_bar
from shared.relay.broker import Broker
from shared.relay.topology import DISCARDED_KEPT, Place

_STOPPED = {
    Stopped.CANARY: "stopped: the first letters came back",
    Stopped.CANARY_UNKNOWN: "stopped: nothing is known yet of some of the first letters",
    Stopped.SHARE: "stopped: too many letters came back",
    Stopped.INTERRUPTED: "interrupted; the same command goes on with what is left",
}


def register_acts(commands: typer.Typer) -> None:
    commands.command("replay")(replay_letters)
    commands.command("park")(park)
    commands.command("discard")(discard)
    commands.command("restore")(restore)


def letters_a_second(text: str) -> float:
    """Raises `typer.BadParameter`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:/s)?", text.strip())
    if not found or not float(found[1]):
        raise typer.BadParameter("is no number of letters a second, like 20/s")
    return float(found[1])


# A parsed option: typer knows no union of a parsed type and None.
Rate = Annotated[
    Any,
    typer.Option(
        metavar="N/s",
        parser=letters_a_second,
        show_default="as fast as they go",
        help="Letters a second.",
    ),
]


Canary = Annotated[
    int, typer.Option(min=0, help="Replay so many of a stage first, and go on if they are done.")
]
CanaryWait = Annotated[
    float, typer.Option(min=1, metavar="SECONDS", help="How long to wait for their outcome.")
]
MostBack = Annotated[
    float, typer.Option(min=0, max=1, help="Stop when more than this share came back (0 to 1).")
]
Follow = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for the last ones.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say which letters.")]


@selecting_for_good
def replay_letters(
    selection: Selection,
    *,
    canary: Canary = 0,
    canary_wait: CanaryWait = 60,
    rate: Rate = None,
    most_back: MostBack = 0.2,
    follow: Follow = 3,
    dry_run: DryRun = False,
    by: By,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Hand dead letters to their stage again: same identity and history, attempts from one.

    It may be broken off (Ctrl-C), and the same command goes on with what is left. When it is killed
    on RabbitMQ, up to 50 letters may be replayed and stay dead letters, too: replaying them again
    does no harm, since no stage does the same thing twice.
    """
    if dry_run:
        _say_what_is_meant(selection, by, as_json=as_json)
        return
    with (
        _recorded("dead replay", selection, by=by, why=note) as (run, ended),
        opened_broker() as broker,
    ):
        plan = Plan(
            selection=selection,
            by=by,
            run=run,
            canary=canary,
            canary_wait=canary_wait,
            rate=rate or math.inf,
            most_back=most_back,
            follow=follow,
        )
        progress = _replay_with_bar(broker, plan)
        ended(outcome_of(progress))
    _report(progress, as_json=as_json)


@selecting_for_good
def park(
    selection: Selection,
    *,
    note: Note,
    by: By,
    as_json: AsJson = False,
) -> None:
    """Take dead letters out of the alert. They are kept, with a note, until somebody acts."""
    order = Move(
        selection=selection, source=Place.DEAD, target=Place.PARKED, by=by, note=_said(note)
    )
    _report_move("parked", _moved("dead park", order), as_json=as_json)


@selecting_for_good
def discard(
    selection: Selection,
    *,
    parked: Annotated[bool, typer.Option("--parked", help="Parked letters instead.")] = False,
    note: Note,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    by: By,
    as_json: AsJson = False,
) -> None:
    """Throw dead letters away. `budkavle dead restore` brings them back for 30 days."""
    place, note = Place.PARKED if parked else Place.DEAD, _said(note)
    if not yes:
        selection = _confirmed(selection, place, by)
    order = Move(selection=selection, source=place, target=Place.DISCARDED, by=by, note=note)
    _report_move("discarded", _moved("dead discard", order), as_json=as_json)


@selecting_for_good
def restore(
    selection: Selection,
    *,
    parked: Annotated[bool, typer.Option("--parked", help="Parked letters instead.")] = False,
    note: Note = "",
    by: By,
    as_json: AsJson = False,
) -> None:
    """Make discarded letters dead letters again, as they were."""
    place = Place.PARKED if parked else Place.DISCARDED
    order = Move(selection=selection, source=place, target=Place.DEAD, by=by, note=note)
    _report_move("restored", _moved("dead restore", order), as_json=as_json)


def _replay_with_bar(broker: Broker, plan: Plan) -> Progress:
    dead = {state.stage: state.dead for state in broker.states()}
    total = sum(dead[stage] for stage in plan.selection.stages)
    with _interruptible() as stopping, replay_bar(total) as show:
        return replay(broker, plan, on_progress=show, stopping=stopping)


@contextmanager
def _interruptible() -> Iterator[Event]:
    """Ctrl-C sets the event: what was begun is finished, so that nothing is replayed twice."""
    stopping = Event()
    former = signal.signal(signal.SIGINT, lambda *_: stopping.set())
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGINT, former)


def _moved(action: str, order: Move) -> Counter[str]:
    with _recorded(action, order.selection, by=order.by, why=order.note) as (_, ended):
        with opened_broker() as broker:
            moved = move(broker, order)
        ended(_letters(moved.total()))
    return moved


@contextmanager
def _recorded(
    action: str, selection: Selection, *, by: str, why: str
) -> Iterator[tuple[str, Callable[[str], None]]]:
    """In the log of actions: that it begins, and how it ended, which is said by what is yielded."""
    from shared.store.actions import ActionLog  # the database takes half a second to import

    with opened_database() as database:
        log = ActionLog(database)
        with log.recorded(action, by=by, subject=str(selection), why=why) as recorded:
            yield recorded


def _confirmed(selection: Selection, place: Place, by: str) -> Selection:
    """Those of the letters meant that the operator was asked about, not later ones.

    Raises `typer.Abort` on no.
    """
    with opened_broker() as broker:
        ids = frozenset(letter.id for letter, _ in selection.find(broker, place, by=by))
    if not ids:
        raise nothing_found("no dead letter matches")
    days = DISCARDED_KEPT.days
    typer.confirm(
        f"Discard {_letters(len(ids))}? They can be restored for {days} days.",
        abort=True,
        err=True,
    )
    return Selection(selection.stages, selection.reason, selection.source, ids)


def _said(note: str) -> str:
    """Raises `typer.BadParameter` for a note that says nothing."""
    if not note.strip():
        raise typer.BadParameter("say why with --note")
    return note.strip()


def _say_what_is_meant(selection: Selection, by: str, *, as_json: bool) -> None:
    with opened_broker() as broker:
        groups = grouped(selection.find(broker, by=by))
    if as_json:
        print_json({"would_replay": sum(group.count for group in groups), "groups": groups})
    for group in [] if as_json else groups:
        sources = ", ".join(group.source_systems)
        say(f"{group.id}  {_letters(group.count)}  {group.stage}  {group.reason}  {sources}")
    if not groups:
        raise nothing_found("no dead letter matches")


def _report(progress: Progress, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "replayed": progress.replayed,
                "stages": progress.stages,
                "passed": progress.passed,
                "came_back": progress.came_back,
                "waiting": progress.waiting,
                "unknown": progress.unknown,
                "back_reasons": progress.back_reasons,
                "stopped": progress.stopped,
            }
        )
    elif progress.replayed:
        say(f"{_letters(progress.replayed)} replayed.")
        if progress.came_back or progress.waiting:
            say(outcome_of(progress))
    if progress.stopped:
        raise Refused(_why(progress), _code(progress.stopped))
    if not progress.replayed:
        raise nothing_found("no dead letter matches")


def _why(progress: Progress) -> str:
    return f"{_STOPPED[progress.stopped]} ({outcome_of(progress)})"


def _code(stopped: Stopped) -> ExitCode:
    return ExitCode.INTERRUPTED if stopped is Stopped.INTERRUPTED else ExitCode.TROUBLE


def outcome_of(progress: Progress) -> str:
    """In words, for the log of actions."""
    reasons = ", ".join(f"{reason} {count}" for reason, count in progress.back_reasons.items())
    parts = [
        f"replayed {progress.replayed}",
        f"passed {progress.passed}",
        f"came back {progress.came_back}" + (f" ({reasons})" if reasons else ""),
        f"to be tried again {progress.waiting}",
        f"not known yet {progress.unknown}",
        *([progress.stopped] if progress.stopped else []),
    ]
    return ", ".join(parts)


def _report_move(done: str, moved: Counter[str], *, as_json: bool) -> None:
    if as_json:
        print_json({done: moved.total(), "stages": moved})
    elif moved.total():
        say(f"{_letters(moved.total())} {done}.")
    if not moved.total():
        raise nothing_found("no dead letter matches")


def _letters(number: int) -> str:
    return "1 dead letter" if number == 1 else f"{number} dead letters"
