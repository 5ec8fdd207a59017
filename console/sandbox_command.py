"""`budkavle sandbox`: the outside world on loopback."""

import typer

from sandbox.__main__ import run
from sandbox.settings import SandboxSettings
from shared.stage.process import start


def register(app: typer.Typer) -> None:
    @app.command()
    def sandbox() -> None:
        """Run booking systems, an engagement index, mail and SMS receivers on loopback.

        Prints one JSON line with their addresses when ready, and runs until stopped.
        """
        raise typer.Exit(start("sandbox", SandboxSettings, run))
