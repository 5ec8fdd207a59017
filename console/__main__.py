"""`budkavle`: the operator's command.

Each group of commands has a module, which is imported when one of them is run.
"""

from typing import Annotated

import typer

from console.exits import OperatorCommands
from console.lazy import LazyCommand
from shared import __version__

_HELP = """Carries notifications of the engagement index to the patient's inbox and phone.

Exit codes: 0 done; 1 not found, or nothing matched; 2 wrong usage or settings;
3 the broker or the database is unavailable, or another operator holds the dead letters;
4 `status` or `check` found something wrong, or a replay stopped by itself; 130 interrupted.
"""

_COMMANDS = {
    "demo": LazyCommand(
        "console.demo.command",
        "Show the whole relay at work, from the engagement index to the patient's phone.",
        extra="sandbox",
        needs="aiosmtpd",
    ),
    "run": LazyCommand(
        "console.run",
        "Run stages until SIGTERM: ingest, filter, fetcher, composer, notifier, or all.",
    ),
    "setup": LazyCommand(
        "console.setup", "Migrate the database and declare the queues. Harmless to repeat."
    ),
    "settings": LazyCommand(
        "console.settings_table",
        "Every setting there is: its default, who reads it, and what it does.",
    ),
    "sandbox": LazyCommand(
        "console.sandbox_command",
        "Run booking systems, an engagement index, mail and SMS receivers on loopback.",
        extra="sandbox",
        needs="aiosmtpd",
    ),
    "status": LazyCommand(
        "console.status", "Show the whole relay, what is wrong with it, and which command helps."
    ),
    "check": LazyCommand(
        "console.check",
        "Look, before a deploy, at settings, broker, database, certificates, logins and clock.",
    ),
    "console": LazyCommand(
        "console.web_command",
        "Serve the operator's pages until SIGTERM: the relay in the browser.",
        extra="web",
        needs="authlib",
    ),
    "source": LazyCommand("console.sources", "Activated booking systems."),
    "contact": LazyCommand("console.contacts", "Where a patient wants notices."),
    "inbox": LazyCommand("console.inbox", "The messages patients were given."),
    "notices": LazyCommand(
        "console.notices", "How many notices stand where; with --status, which ones."
    ),
    "bounce": LazyCommand(
        "console.bounces",
        "Take in delivery status notifications (RFC 3464) of notices by e-mail.",
    ),
    "trace": LazyCommand(
        "console.trace",
        "Follow changes through all stages: what the patient was told of each, or why not.",
    ),
    "report": LazyCommand(
        "console.report", "What each booking system sent, and what became of it, in a period."
    ),
    "queues": LazyCommand(
        "console.queues",
        "What waits in the queue of each stage, is in work, waits for a later time, or is dead.",
    ),
    "dead": LazyCommand("console.dead", "Dead letters: what the relay could not do."),
    "actions": LazyCommand(
        "console.actions",
        "What operators did, the latest first. What takes time is there twice: begun, and done.",
    ),
    "preview": LazyCommand(
        "console.preview",
        "Show what patients read, in every situation that leads to a message of KIND.",
    ),
    "purge": LazyCommand(
        "console.purge",
        "Remove what the settings BUDKAVLE_RETAIN_… say has been kept long enough.",
    ),
}


class _Commands(OperatorCommands):
    known = _COMMANDS


app = typer.Typer(
    cls=_Commands,
    help=_HELP,
    no_args_is_help=True,
    # Tracebacks with local variables could show secrets and patients.
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"budkavle {__version__}")  # noqa: T201
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Tell the version."),
    ] = False,
) -> None:
    """Options before every command: only `--version`."""


def main() -> None:
    app()


if __name__ == "__main__":
    main()
