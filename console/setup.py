"""`budkavle setup`: database and queues, made ready for this version."""

import typer

from console.opening import load_settings, opened_broker
from console.output import say
from shared.store.migrate import migrate


def register(app: typer.Typer) -> None:
    app.command("setup")(setup)


def setup() -> None:
    """Migrate the database and declare the queues. Harmless to repeat."""
    changed = migrate(load_settings().database_url.get_secret_value())
    say("Database: migrated to this version." if changed else "Database: was up to date.")
    with opened_broker() as broker:
        broker.declare()
    say("Queues: declared.")
