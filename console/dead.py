"""`budkavle dead`: what the relay could not do, to be looked at; `dead_acts` mends it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from console.dead_acts import register_acts
from console.dead_groups import Group, grouped
from console.dead_letters import Letter, Selection, visible_message
from console.dead_options import In, selecting
from console.exits import ExitCode, Refused, nothing_found
from console.opening import opened_broker
from console.operators import looker
from console.output import (
    AsJson,
    json_text,
    print_document,
    print_fields,
    print_json,
    print_rows,
    say,
    shown,
)
from shared.base.clock import utcnow
from shared.relay.broker import Broker, Envelope, Failure
from shared.relay.topology import READING_STAGES, Place

#: How many letters a table shows unless told otherwise.
_SHOWN = 50

commands = typer.Typer(no_args_is_help=True, help="Dead letters: what the relay could not do.")


def register(app: typer.Typer) -> None:
    register_acts(commands)
    app.add_typer(commands, name="dead")


Limit = Annotated[
    int | None,
    typer.Option(
        min=1, show_default=f"{_SHOWN}, and all with --json", help="How many letters to show."
    ),
]


@commands.command("list")
@selecting
def list_letters(
    selection: Selection,
    *,
    place: In = Place.DEAD,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The dead letters, oldest first in each stage."""
    with opened_broker() as broker:
        everything = None if as_json or not selection.takes_all else count(broker, selection, place)
        with closing(selection.find(broker, place, by=looker())) as found:
            letters = (letter for letter, _ in found)
            if as_json:
                _print_json_list(islice(letters, limit))
            else:
                _print_table(letters, limit or _SHOWN, everything)


@commands.command()
@selecting
def groups(
    selection: Selection,
    *,
    place: In = Place.DEAD,
    as_json: AsJson = False,
) -> None:
    """Dead letters that are alike, counted: stage, reason, error and booking system."""
    with opened_broker() as broker:
        found = grouped(selection.find(broker, place, by=looker()))
    if as_json:
        print_json(found)
        return
    print_rows(
        [_group_row(group) for group in found],
        empty="No dead letters.",
    )


@commands.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID")], *, as_json: AsJson = False
) -> None:
    """One dead letter: its history, and what its message says apart from the patient."""
    selection = Selection(READING_STAGES, ids=frozenset({letter_id}))
    with opened_broker() as broker:
        found = [one for place in Place for one in selection.find(broker, place, by=looker())]
    if not found:
        raise nothing_found("no dead letter has that id")
    if as_json:
        print_json([_document(letter, envelope) for letter, envelope in found])
        return
    for letter, envelope in found:
        _print_letter(letter, envelope)


@commands.command()
@selecting
def export(
    selection: Selection,
    *,
    place: In = Place.DEAD,
    file: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="A new file; else standard output.")
    ] = None,
) -> None:
    """Dead letters as JSON, one a line, with history and message, apart from the patient."""
    with opened_broker() as broker:
        documents = (_document(*found) for found in selection.find(broker, place, by=looker()))
        lines = (json_text(document, indent=None) + "\n" for document in documents)
        written = _write(file, lines)
    if file is not None:
        say(f"{written} dead letters written to {file}.")


def count(broker: Broker, selection: Selection, place: Place) -> int:
    """How many letters lie in `place` of the selection's stages. Raises `BrokerUnavailable`."""
    states = (state for state in broker.states() if state.stage in selection.stages)
    return sum(int(getattr(state, place)) for state in states)


def _write(file: Path | None, lines: Iterable[str]) -> int:
    """How many lines were written. Raises `Refused`."""
    if file is None:
        return _write_each(lines, print_document)
    try:
        file.touch(mode=0o600, exist_ok=False)
        with file.open("w", encoding="utf-8") as opened:
            return _write_each(lines, opened.write)
    except OSError as error:
        raise Refused(f"{file}: {error.strerror}", ExitCode.USAGE) from None


def _write_each(lines: Iterable[str], write: Callable[[str], object]) -> int:
    count = 0
    for line in lines:
        write(line)
        count += 1
    return count


def _print_json_list(letters: Iterable[Letter]) -> None:
    """One at a time: a hundred thousand letters need no memory."""
    opening = "["
    for letter in letters:
        print_document(f"{opening}\n{json_text(letter)}")
        opening = ","
    print_document("[]\n" if opening == "[" else "\n]\n")


def _print_table(letters: Iterator[Letter], limit: int, everything: int | None) -> None:
    """`everything`: how many there are; None: those that are left are counted one by one."""
    rows = [_row(letter) for letter in islice(letters, limit)]
    print_rows(rows, empty="No dead letters.")
    more = sum(1 for _ in letters) if everything is None else everything - len(rows)
    if more > 0:
        say(f"… {more} more; `--limit` shows them, `budkavle dead groups` counts them")


def _row(letter: Letter) -> dict[str, object]:
    age = utcnow() - letter.dead_since if letter.dead_since else None
    return {
        "id\nstage": f"{letter.id}\n{letter.stage}",
        "reason\nerror\nsource system": _lines(letter.reason, letter.error, letter.source_systems),
        "tries\nage": f"{letter.attempts}\n{shown(age)}",
        "first failure\nlast failure": f"{shown(letter.first_failed)}\n{shown(letter.last_failed)}",
    }


def _lines(reason: str, error: str, source_systems: Sequence[str]) -> str:
    return "\n".join((reason, error, *source_systems))


def _group_row(group: Group) -> dict[str, object]:
    return {
        "group\nstage": f"{group.id}\n{group.stage}",
        "letters\nreplays": f"{group.count}\n{group.replays}",
        "reason\nerror\nsource system": _lines(group.reason, group.error, group.source_systems),
        "oldest\nnewest\nexample": f"{shown(group.oldest)}\n{shown(group.newest)}\n{group.example}",
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
            "group": letter.group,
            "reason": letter.reason,
            "attempts": letter.attempts,
            "dead since": letter.dead_since,
            "replayed": f"{letter.replays} times" if letter.replays else "never",
            "source system": ", ".join(letter.source_systems) or None,
            **_aside_fields(letter),
        }
    )
    print_rows([_failure_row(failure) for failure in envelope.history], empty="No failures.")
    say("message")
    print_json(visible_message(letter.stage, envelope))


def _aside_fields(letter: Letter) -> dict[str, object]:
    if letter.aside is None:
        return {}
    return {"set aside": letter.aside.at, "by": letter.aside.by, "note": letter.aside.note}


def _failure_row(failure: Failure) -> dict[str, object]:
    return {
        "failed at": failure.at,
        "stage": failure.stage,
        "reason": failure.reason,
        "error": failure.error,
        "text": failure.text,
    }
