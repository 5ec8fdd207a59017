"""`budkavle trace`: what became of a change, stage by stage, and what the patient was told."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from console.exits import ExitCode, Refused, nothing_found
from console.opening import load_settings, opened_database
from console.output import AsJson, print_fields, print_json, print_rows, say
from console.persons import person_number
from console.trace_answers import answer_of
from shared.base.ids import is_person_number
from shared.booking.digests import KeyedDigests
from shared.store.engine import Database
from shared.store.trace_lives import Life, Lives
from shared.store.traces import TraceStep


def register(app: typer.Typer) -> None:
    app.command("trace")(trace)


def trace(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="PERSON|ID",
            help="A person number, or the id of a notification, a change or a message, or a"
            " correlation id. With --digest: PERSON, and the ids of bookings.",
        ),
    ],
    *,
    booking: Annotated[
        str | None, typer.Option("--booking", metavar="ID", help="Only this booking of PERSON.")
    ] = None,
    digest: Annotated[
        bool,
        typer.Option("--digest", help="Only print what stands for these bookings in the logs."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Follow changes through all stages: what the patient was told of each, or why not."""
    digests = load_settings().digests
    if digest:
        _print_digests(words, digests, as_json=as_json)
        return
    if len(words) > 1:
        raise typer.BadParameter("give one PERSON or ID")
    with opened_database() as database:
        lives = found_lives(database, digests, words[0], booking)
    if not lives:
        raise nothing_found(f"nothing is known of it{_hint(digests)}")
    if as_json:
        print_json({"changes": [plain(life) for life in lives]})
        return
    for life in lives:
        _print(life)


def found_lives(
    database: Database, digests: KeyedDigests | None, name: str, booking_id: str | None = None
) -> list[Life]:
    """The changes that `name` stands for: a person number, or an id. The newest last.

    Raises `DatabaseUnavailable`.
    """
    lives = Lives(database, digests)
    compact = name.strip().replace("-", "")
    if is_person_number(compact):
        return lives.of_patient(compact, booking_id)
    return lives.of_id(name.strip())


def plain(life: Life) -> dict[str, Any]:
    """As JSON; no person number and nothing that the message says."""
    message = life.message
    return {
        "change_id": life.change_id,
        "notification_id": life.notification_id,
        "correlation_id": life.correlation_id,
        "source_system": life.source_system,
        "booking": life.booking,
        "received_at": life.received_at,
        "steps": [_plain_step(step) for step in life.steps],
        "message": message
        and {
            "id": message.id,
            "kind": message.kind,
            "created_at": message.created_at,
            "read": message.read,
        },
        "notices": [
            {
                "id": notice.id,
                "channel": notice.channel,
                "status": notice.status,
                "since": notice.since,
                "detail": notice.detail,
            }
            for notice in life.notices
        ],
        "answer": asdict(answer_of(life)),
    }


def _plain_step(step: TraceStep) -> dict[str, Any]:
    names = ("at", "stage", "outcome", "reason", "attempt", "until", "channel")
    return {name: getattr(step, name) for name in names}


def _print_digests(words: Sequence[str], digests: KeyedDigests | None, *, as_json: bool) -> None:
    if digests is None:
        raise Refused("BUDKAVLE_LOG_KEY is not set: logs hold no digests", ExitCode.USAGE)
    if len(words) < 2:
        raise typer.BadParameter("give PERSON and the ids of bookings")
    person = person_number(words[0])
    rows = [{"booking": name, "digest": digests.booking(person, name)} for name in words[1:]]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, empty="")


def _hint(digests: KeyedDigests | None) -> str:
    if digests:
        return ""
    return "; without BUDKAVLE_LOG_KEY a person's changes are found by their messages alone"


def _print(life: Life) -> None:
    print_fields(
        {
            "change": life.change_id,
            "booking system": life.source_system or None,
            "correlation id": life.correlation_id or None,
        }
    )
    rows = [{"at": life.received_at, "stage": "ingest", "outcome": "publish", **_NO_DETAILS}]
    print_rows(rows + [_row(step) for step in life.steps], empty="")
    say(f"{answer_of(life).text}\n")


_NO_DETAILS = {"reason": None, "attempt": 1, "until": None}


def _row(step: TraceStep) -> dict[str, Any]:
    reason = " ".join(word for word in (step.reason, step.channel) if word)
    return {
        "at": step.at,
        "stage": step.stage,
        "outcome": step.outcome,
        "reason": reason or None,
        "attempt": step.attempt,
        "until": step.until,
    }
