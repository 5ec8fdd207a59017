"""`budkavle setup`: database and queues, made ready for this version."""

from collections.abc import Iterator

import typer

from console.opening import load_settings, opened_broker
from console.output import say
from console.settings import OperatorSettings
from shared.relay.broker import BrokerError
from shared.relay.rabbitmq.management import replicas
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
