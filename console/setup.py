"""`budkavle setup`: database and queues, made ready for this version."""

import typer

from console.opening import load_settings, opened_broker
from console.output import say
from shared.relay.topology import READING_STAGES, work_queue
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
    if not _is_new(missing):
        for queue in missing:
            say(f"Queues: {queue} was missing. If it was there before, what waited in it is lost.")


def _is_new(missing: list[str]) -> bool:
    """Whether nothing was there yet, which is no loss."""
    return all(work_queue(stage) in missing for stage in READING_STAGES)
