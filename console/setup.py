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
        missing = broker.missing()
        broker.declare()
    say("Queues: declared.")
    if missing:
        say(_lost(missing))


def _lost(queues: list[str]) -> str:
    """A version that adds a queue, or another list of delays, misses it once."""
    return (
        f"Not there before: {', '.join(queues)}. Unless they are new in this version or in"
        " BUDKAVLE_DELAY_STEPS, somebody deleted them, and what lay in them is lost. The broker"
        " does not know how much that was; Prometheus may, by rabbitmq_queue_messages{queue=…}."
    )
