"""`budkavle`: the operator's command. Each group of commands stands in a module of its own."""

from typing import Annotated

import typer

from console import (
    actions,
    contacts,
    dead,
    inbox,
    notices,
    preview,
    purge,
    queues,
    run,
    sandbox_command,
    settings_table,
    setup,
    sources,
)
from console.demo import command as demo
from console.exits import OperatorCommands
from shared import __version__

_HELP = """Carries notifications of the engagement index to the patient's inbox and phone.

Exit codes: 0 done; 1 not found, or nothing matched; 2 wrong usage or settings;
3 the broker or the database is unavailable, or another operator is at work; 4 it stopped by itself,
since something is wrong.
"""

app = typer.Typer(
    cls=OperatorCommands,
    help=_HELP,
    no_args_is_help=True,
    # Tracebacks with local variables would show what must not be shown.
    pretty_exceptions_enable=False,
)

_COMMANDS = (
    demo,
    run,
    setup,
    settings_table,
    sandbox_command,
    sources,
    contacts,
    inbox,
    notices,
    queues,
    dead,
    actions,
    preview,
    purge,
)
for module in _COMMANDS:
    module.register(app)


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
    """What stands before every command: `--version` alone."""


def main() -> None:
    app()


if __name__ == "__main__":
    main()
