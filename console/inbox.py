"""`budkavle inbox`: the messages of a patient."""

from importlib.util import find_spec
from typing import Annotated

import typer

from console.exits import ExitCode, Refused, nothing_found
from console.opening import load_settings, opened_database
from console.operators import Looker, Note
from console.output import AsJson, print_document, print_fields, print_json, print_rows, say
from console.persons import Person
from console.recording import Operator, patient_subject, record_reveal
from shared.base.errors import CannotStart
from shared.booking.inbox import InboxMessage
from shared.store.engine import Database
from shared.store.inbox import Inbox

commands = typer.Typer(no_args_is_help=True, help="The messages patients were given.")


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="inbox")


@commands.command("list")
def list_messages(person: Person, *, by: Looker, note: Note = "", as_json: AsJson = False) -> None:
    """The patient's messages, newest first. That you looked is recorded (`budkavle actions`)."""
    with opened_database() as database:
        messages = Inbox(database).list_for(person)
        record_reveal(
            database,
            "inbox",
            Operator(by, note),
            subject=patient_subject(load_settings().digests, person),
            outcome=f"showed {len(messages)} messages",
        )
    if as_json:
        print_json([_head(message) for message in messages])
        return
    print_rows([_row(message) for message in messages], empty="No messages.")


@commands.command()
def show(
    message_id: Annotated[str, typer.Argument(metavar="ID")],
    *,
    html: Annotated[bool, typer.Option("--html", help="The message's HTML alone.")] = False,
    calendar: Annotated[
        bool, typer.Option("--calendar", help="The message's calendar file (.ics) alone.")
    ] = False,
    by: Looker,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """One message, as the patient reads it. That you looked is recorded (`budkavle actions`)."""
    if html + calendar + as_json > 1:
        raise typer.BadParameter("give one of --html, --calendar and --json")
    with opened_database() as database:
        message = Inbox(database).get(message_id)
        if message is None:
            raise nothing_found("no message has that id")
        reveal_message(database, message, Operator(by, note))
    if as_json:
        print_json(_head(message) | _body(message))
    elif html:
        print_document(message.body_html)
    elif calendar:
        print_document(_calendar(message))
    else:
        _print_message(message)


@commands.command()
def serve() -> None:
    """Serve the inbox read API, by which a region's e-service reads what patients were given.

    Prints one JSON line when ready, and runs until SIGTERM. Settings: BUDKAVLE_INBOX_…
    """
    if find_spec("joserfc") is None:
        raise CannotStart(
            "inbox serve needs packages that are not installed (joserfc and others):"
            " pip install 'budkavle[web]'"
        )
    from console.inbox_api.__main__ import run
    from console.inbox_api.settings import InboxApiSettings
    from shared.stage.process import start

    raise typer.Exit(start("inbox", InboxApiSettings, run))


def reveal_message(database: Database, message: InboxMessage, operator: Operator) -> None:
    """Record that `operator` reads it."""
    patient = patient_subject(load_settings().digests, message.key.patient)
    record_reveal(
        database,
        "message",
        operator,
        subject=f"{patient}, message {message.id}",
        outcome="showed 1 message",
    )


def _calendar(message: InboxMessage) -> str:
    if message.calendar is None:
        raise Refused("this message is about no time", ExitCode.NOTHING_FOUND)
    return message.calendar


def _head(message: InboxMessage) -> dict[str, object]:
    return {
        "id": message.id,
        "kind": message.kind,
        "subject": message.subject,
        "starts": message.starts,
        "revision": message.revision,
        "read": message.read,
        "created_at": message.created_at,
        "source_system": message.key.source_system,
        "logical_address": message.key.logical_address,
        "booking_id": message.key.booking_id,
        "notification_id": message.notification_id,
        "change_id": message.change_id,
    }


def _body(message: InboxMessage) -> dict[str, object]:
    return {
        "text": message.body_text,
        "html": message.body_html,
        "calendar": message.calendar,
    }


def _row(message: InboxMessage) -> dict[str, object]:
    return {
        "id": message.id,
        "written": message.created_at,
        "kind": message.kind.replace("_", " "),
        "read": "yes" if message.read else "no",
        "subject": message.subject,
    }


def _print_message(message: InboxMessage) -> None:
    print_fields(
        {
            "written": message.created_at,
            "kind": message.kind.replace("_", " "),
            "subject": message.subject,
        }
    )
    say(f"\n{message.body_text}")
