"""`budkavle contact`: where a patient wants notices."""

from collections.abc import Mapping
from typing import Annotated

import typer

from console.exits import nothing_found
from console.opening import load_settings, opened_database
from console.operators import Looker, Note
from console.output import AsJson, print_fields, print_json, say, shown
from console.persons import Person, is_genuine
from console.recording import Operator, changing, patient_subject, record_reveal
from shared.base.clock import utcnow
from shared.booking.contact_points import normalize
from shared.booking.notices import Channel, Choice
from shared.store.contacts import ContactPreferences

commands = typer.Typer(no_args_is_help=True, help="Where a patient wants notices.")


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="contact")


@commands.command("set")
def set_contact(
    person: Person,
    *,
    sms: Annotated[str | None, typer.Option(metavar="NUMBER", help="A mobile number.")] = None,
    email: Annotated[str | None, typer.Option(metavar="ADDRESS", help="An address.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also a number without a right date and check digit.")
    ] = False,
    by: Looker,
    note: Note = "",
) -> None:
    """Send notices to this number or address, instead of any earlier one."""
    if not force and not is_genuine(person, utcnow().date()):
        raise typer.BadParameter(
            "this number has a wrong date or check digit; a reserve number wants --force",
            param_hint="PERSON",
        )
    wanted = {Channel.SMS: sms, Channel.EMAIL: email}
    addresses = {
        channel: _normal(channel, given) for channel, given in wanted.items() if given is not None
    }
    if not addresses:
        raise typer.BadParameter("give --sms, --email or both")
    with (
        opened_database() as database,
        changing(database, "contact set", Operator(by, note)) as change,
    ):
        preferences = ContactPreferences(change.database)
        for channel, address in addresses.items():
            preferences.set(person, channel, address)
        change.subject = _subject(person)
        change.outcome = f"set {' and '.join(addresses)}"
    for channel, address in addresses.items():
        say(f"Notices by {channel} go to {address}.")


@commands.command()
def show(person: Person, *, by: Looker, note: Note = "", as_json: AsJson = False) -> None:
    """Where this patient gets notices. That you looked is recorded (`budkavle actions`)."""
    with opened_database() as database:
        choices = ContactPreferences(database).choices(person)
        record_reveal(
            database,
            "contact",
            Operator(by, note),
            subject=_subject(person),
            outcome=f"showed {' and '.join(choices)}" if choices else "nothing found",
        )
    if as_json:
        print_json(_plain(choices))
    elif choices:
        print_fields({str(channel): _shown(choice) for channel, choice in choices.items()})
    if not choices:
        raise nothing_found("this patient has chosen no notices")


@commands.command()
def remove(
    person: Person,
    *,
    channel: Annotated[Channel | None, typer.Option(help="Only on this channel.")] = None,
    by: Looker,
    note: Note = "",
) -> None:
    """Send this patient no more notices."""
    with (
        opened_database() as database,
        changing(database, "contact remove", Operator(by, note)) as change,
    ):
        removed = ContactPreferences(change.database).remove(person, channel)
        change.subject = _subject(person)
        change.outcome = f"removed {channel or 'all channels'}" if removed else ""
    if not removed:
        raise nothing_found("there was no such choice to remove")
    say("Removed.")


def _subject(person: str) -> str:
    return patient_subject(load_settings().digests, person)


def _plain(choices: Mapping[Channel, Choice]) -> dict[str, object]:
    """The addresses by channel; `bounces` by channel only where there were some."""
    bounces = {
        channel: {
            "bounces": choice.bounces,
            "last": choice.last_bounce,
            "suppressed_at": choice.suppressed_at,
        }
        for channel, choice in choices.items()
        if choice.bounces
    }
    addresses = {str(channel): choice.address for channel, choice in choices.items()}
    return {**addresses, **({"bounces": bounces} if bounces else {})}


def _shown(choice: Choice) -> str:
    if choice.suppressed_at:
        since = shown(choice.suppressed_at)
        return (
            f"{choice.address} (suppressed since {since}: it bounced {choice.bounces} times, last"
            f" {choice.last_bounce}; set it again to send there)"
        )
    return choice.address


def _normal(channel: Channel, given: str) -> str:
    try:
        return normalize(channel, given)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=f"--{channel}") from None
