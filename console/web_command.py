"""`budkavle console`: the operator's pages."""

import typer

from console.web.__main__ import run
from console.web.settings import PagesSettings
from shared.stage.process import start


def register(app: typer.Typer) -> None:
    @app.command()
    def console() -> None:
        """Serve the operator's pages until SIGTERM: the relay in the browser.

        Prints one JSON line with their address when ready. Without OpenID Connect or a proxy
        that logs users in they are served on this machine alone.
        """
        raise typer.Exit(start("console", PagesSettings, run))
