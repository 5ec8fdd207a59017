"""`budkavle dead`: what the relay could not do, to be looked at, replayed or discarded."""

from collections import Counter
from collections.abc import Callable
from typing import Annotated

import typer

from console.dead_letters import Letter, Selection, describe, visible_message
from console.exits import nothing_found
from console.opening import opened_broker
from console.output import AsJson, print_fields, print_json, print_rows, say, shown
from shared.base.clock import utcnow
from shared.relay.broker import DISCARD, KEEP, REPLAY, Broker, DeadAction, Envelope, Failure
from shared.relay.topology import READING_STAGES

commands = typer.Typer(no_args_is_help=True, help="Dead letters: what the relay could not do.")


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="dead")


Stage = Annotated[
    str | None, typer.Argument(metavar="STAGE", help="Only this stage's.", show_default=False)
]
Reason = Annotated[str | None, typer.Option(help="Only letters that died for this reason.")]
Source = Annotated[
    str | None, typer.Option(metavar="HSAID", help="Only letters of this booking system.")
]
Ids = Annotated[
    list[str] | None, typer.Option("--id", metavar="ID", help="Only this letter; may be repeated.")
]


@commands.command("list")
def list_letters(
    stage: Stage = None,
    *,
    reason: Reason = None,
    source: Source = None,
    ids: Ids = None,
    as_json: AsJson = False,
) -> None:
    """The dead letters, oldest first in each stage."""
    selection = _selection(stage, reason, source, ids)
    with opened_broker() as broker:
        letters = [letter for letter, _ in selection.find(broker)]
    if as_json:
        print_json(letters)
        return
    print_rows([_row(letter) for letter in letters], empty="No dead letters.", numbers=("tries",))


@commands.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID")], *, as_json: AsJson = False
) -> None:
    """One dead letter: its history, and what its message says apart from the patient."""
    selection = Selection(READING_STAGES, ids=frozenset({letter_id}))
    with opened_broker() as broker:
        found = list(selection.find(broker))
    if not found:
        raise nothing_found("no dead letter has that id")
    if as_json:
        print_json([_document(letter, envelope) for letter, envelope in found])
        return
    for letter, envelope in found:
        _print_letter(letter, envelope)


@commands.command()
def replay(
    stage: Stage = None,
    *,
    reason: Reason = None,
    source: Source = None,
    ids: Ids = None,
    as_json: AsJson = False,
) -> None:
    """Hand dead letters to their stage again: same identity and history, attempts from one."""
    selection = _selection(stage, reason, source, ids)
    with opened_broker() as broker:
        replayed = _take(broker, selection, REPLAY)
    _tell("replayed", replayed, as_json=as_json)


@commands.command()
def discard(
    stage: Stage = None,
    *,
    reason: Reason = None,
    source: Source = None,
    ids: Ids = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Throw dead letters away, for good."""
    selection = _selection(stage, reason, source, ids)
    with opened_broker() as broker:
        if not yes:
            selection = _confirmed(broker, selection)
        discarded = _take(broker, selection, DISCARD)
    _tell("discarded", discarded, as_json=as_json)


def _selection(
    stage: str | None, reason: str | None, source: str | None, ids: list[str] | None
) -> Selection:
    if stage is not None and stage not in READING_STAGES:
        raise typer.BadParameter(f"no such stage; there are {', '.join(READING_STAGES)}")
    stages = READING_STAGES if stage is None else (stage,)
    return Selection(stages, reason, source, frozenset(ids or ()))


def _take(broker: Broker, selection: Selection, action: DeadAction) -> Counter[str]:
    """How many letters of each stage were taken."""

    def decide_at(stage: str) -> Callable[[Envelope], DeadAction]:
        return lambda letter: action if selection.takes(describe(stage, letter)) else KEEP

    return Counter({stage: broker.take_dead(stage, decide_at(stage)) for stage in selection.stages})


def _confirmed(broker: Broker, selection: Selection) -> Selection:
    """Those of the letters meant that the operator was asked about, not later ones.

    Raises `typer.Abort` on no.
    """
    ids = [letter.id for letter, _ in selection.find(broker)]
    if not ids:
        raise nothing_found("no dead letter matches")
    typer.confirm(f"Discard {_letters(len(ids))} for good?", abort=True, err=True)
    return Selection(selection.stages, selection.reason, selection.source, frozenset(ids))


def _tell(done: str, taken: Counter[str], *, as_json: bool) -> None:
    if as_json:
        print_json({done: taken.total(), "stages": taken})
    elif taken.total():
        say(f"{_letters(taken.total())} {done}.")
    if not taken.total():
        raise nothing_found("no dead letter matches")


def _letters(number: int) -> str:
    return "1 dead letter" if number == 1 else f"{number} dead letters"


def _row(letter: Letter) -> dict[str, object]:
    age = utcnow() - letter.dead_since if letter.dead_since else None
    return {
        "id\nstage": f"{letter.id}\n{letter.stage}",
        "reason\nerror": f"{letter.reason}\n{letter.error}",
        "tries": letter.attempts,
        "first failure\nlast failure": f"{shown(letter.first_failed)}\n{shown(letter.last_failed)}",
        "age": age,
        "source system": "\n".join(letter.source_systems) or None,
    }


def _document(letter: Letter, envelope: Envelope) -> dict[str, object]:
    return {
        "letter": letter,
        "history": [failure.model_dump() for failure in envelope.history],
        "message": visible_message(letter.stage, envelope),
    }


def _print_letter(letter: Letter, envelope: Envelope) -> None:
    print_fields(
        {
            "id": letter.id,
            "stage": letter.stage,
            "reason": letter.reason,
            "attempts": letter.attempts,
            "dead since": letter.dead_since,
            "replayed": f"{letter.replays} times" if letter.replays else "never",
            "source system": ", ".join(letter.source_systems) or None,
        }
    )
    print_rows([_failure_row(failure) for failure in envelope.history], empty="No failures.")
    say("message")
    print_json(visible_message(letter.stage, envelope))


def _failure_row(failure: Failure) -> dict[str, object]:
    return {
        "failed at": failure.at,
        "stage": failure.stage,
        "reason": failure.reason,
        "error": failure.error,
        "text": failure.text,
    }
