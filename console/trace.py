"""`budkavle trace`: what became of a change, stage by stage, and what the patient was told."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from console.exits import ExitCode, Refused, nothing_found
from console.opening import load_settings, opened_database
from console.operators import Looker, Note
from console.output import AsJson, print_fields, print_json, print_rows, say
from console.persons import person_number
from console.recording import Operator, patient_subject, record_reveal
from console.trace_answers import answer_of
from shared.base.ids import is_person_number
from shared.booking.digests import KeyedDigests
from shared.store.engine import Database
from shared.store.trace_changes import ChangeTrace, ChangeTraces
from shared.store.traces import TraceStep

_SWEDEN = ZoneInfo("Europe/Stockholm")


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
    by: Looker,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Follow changes through all stages: what the patient was told of each, or why not.

    That you asked about a PERSON is recorded (`budkavle actions`).
    """
    digests = load_settings().digests
    if digest:
        _print_digests(words, digests, as_json=as_json)
        return
    if len(words) > 1:
        raise typer.BadParameter("give one PERSON or ID")
    with opened_database() as database:
        traces = found_traces(database, digests, words[0], booking)
        if person := person_of(words[0]):
            _record_look(database, patient_subject(digests, person), Operator(by, note), traces)
    if not traces:
        raise nothing_found(f"nothing is known of it{_hint(digests)}")
    if as_json:
        print_json({"changes": [plain(traced) for traced in traces]})
        return
    for traced in traces:
        _print(traced)


def _record_look(
    database: Database, patient: str, operator: Operator, traces: Sequence[ChangeTrace]
) -> None:
    outcome = f"showed {len(traces)} changes"
    record_reveal(database, "trace", operator, subject=patient, outcome=outcome)


def found_traces(
    database: Database, digests: KeyedDigests | None, name: str, booking_id: str | None = None
) -> list[ChangeTrace]:
    """The changes that `name` stands for: a person number, or an id. The newest last.

    Raises `DatabaseUnavailable`.
    """
    traces = ChangeTraces(database, digests)
    if person := person_of(name):
        return traces.of_patient(person, booking_id)
    return traces.of_id(name.strip())


def person_of(name: str) -> str:
    """The person number that `name` is; "" when it is an id."""
    compact = name.strip().replace("-", "")
    return compact if is_person_number(compact) else ""


def plain(traced: ChangeTrace) -> dict[str, Any]:
    """As JSON; no person number and nothing that the message says."""
    message = traced.message
    return {
        "change_id": traced.change_id,
        "notification_id": traced.notification_id,
        "correlation_id": traced.correlation_id,
        "source_system": traced.source_system,
        "booking": traced.booking,
        "received_at": traced.received_at,
        "steps": [_plain_step(step) for step in traced.steps],
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
            for notice in traced.notices
        ],
        "answer": asdict(answer_of(traced)),
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


def _print(traced: ChangeTrace) -> None:
    print_fields(
        {
            "change": traced.change_id,
            "booking system": traced.source_system or None,
            "correlation id": traced.correlation_id or None,
        }
    )
    received = {"at": _second(traced.received_at), "stage": "ingest", "outcome": "publish"}
    print_rows([received | {"details": None}, *map(_row, traced.steps)], empty="")
    say(f"{answer_of(traced).text}\n")


def _row(step: TraceStep) -> dict[str, Any]:
    details = [step.reason, step.channel or ""]
    if step.attempt > 1:
        details.append(f"attempt {step.attempt}")
    if step.until:
        details.append(f"until {_second(step.until)}")
    return {
        "at": _second(step.at),
        "stage": step.stage,
        "outcome": step.outcome,
        "details": ", ".join(filter(None, details)) or None,
    }


def _second(moment: datetime) -> str:
    """Swedish time. Steps follow each other within a minute."""
    return f"{moment.astimezone(_SWEDEN):%Y-%m-%d %H:%M:%S}"
