"""`budkavle setup`: migrates the database and declares the queues of this version."""

from collections.abc import Iterator

import typer

from console.opening import load_settings, opened_broker
from console.output import say
from console.replicas import Replicas, count_replicas
from shared.relay.topology import READING_STAGES, work_queue
from shared.store.migrate import migrate


def register(app: typer.Typer) -> None:
    app.command("setup")(setup)


def setup() -> None:
    """Migrate the database and declare the queues. Harmless to repeat."""
    with opened_broker() as broker:
        missing = broker.missing()  # first, so that a broker that cannot be used changes nothing
        changed = migrate(load_settings().database_url.get_secret_value())
        say("Database: migrated to this version." if changed else "Database: was up to date.")
        broker.declare()
    say("Queues: declared.")
    if not _is_new(missing):
        for queue in missing:
            say(f"Queues: {queue} was missing. If it was there before, what waited in it is lost.")
    for warning in _replica_warnings(count_replicas(load_settings())):
        say(f"WARNING: {warning}")


def _replica_warnings(found: Replicas) -> Iterator[str]:
    if found.unknown:
        yield f"replicas cannot be counted: {found.unknown}"
    for queue, number in found.fewer.items():
        yield f"{queue} has {number} of {found.least} replicas; see docs/operations.md"


def _is_new(missing: list[str]) -> bool:
    """Whether nothing was there yet, which is no loss."""
    return all(work_queue(stage) in missing for stage in READING_STAGES)
