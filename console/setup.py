"""`budkavle setup`: migrates the database and declares the queues of this version."""

from collections.abc import Iterator

import typer

from console.opening import load_settings, opened_broker
from console.output import say
from console.settings import OperatorSettings
from shared.relay.broker import BrokerError
from shared.relay.rabbitmq.management import replicas
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
    for warning in _replica_warnings(OperatorSettings()):
        say(f"WARNING: {warning}")


def _replica_warnings(settings: OperatorSettings) -> Iterator[str]:
    """A queue declared while the cluster had one node has one replica for ever."""
    least = settings.broker_least_replicas
    management_url = settings.broker_management_url.get_secret_value()
    if least == 1:
        return
    if not management_url:
        yield "replicas cannot be counted without BUDKAVLE_BROKER_MANAGEMENT_URL"
        return
    try:
        found = replicas(management_url, settings.broker_url.get_secret_value())
    except BrokerError as error:
        yield f"replicas cannot be counted: {error}"
        return
    for queue, number in sorted(found.items()):
        if number < least:
            yield f"{queue} has {number} of {least} replicas; see docs/operations.md"


def _is_new(missing: list[str]) -> bool:
    """Whether nothing was there yet, which is no loss."""
    return all(work_queue(stage) in missing for stage in READING_STAGES)
