"""What operators do while it happens: they replay dead letters, and deactivate booking systems."""

from contextlib import suppress

from console.dead_letters import Selection
from console.replay import Plan, replay
from shared.base.clock import utcnow
from shared.base.ids import new_id
from shared.relay import open_broker
from shared.relay.broker import BrokerError
from shared.relay.topology import READING_STAGES
from shared.store.engine import open_database
from shared.store.sources import SourceRegister
from tests.chaos.cases import Source

_WHO = "chaos"


def replay_all(broker_url: str) -> int:
    """As `budkavle dead replay`: how many letters. None while the broker is away."""
    plan = Plan(
        selection=Selection(tuple(READING_STAGES)), by=_WHO, run=new_id(), most_back=1, follow=0
    )
    with suppress(BrokerError):
        broker = open_broker(broker_url)
        try:
            return replay(broker, plan).replayed
        finally:
            broker.close()
    return 0


def deactivate(database_url: str, source: Source) -> None:
    """As `budkavle source remove`. Raises `Unavailable` while the database is away."""
    database = open_database(database_url, pool_size=1)
    try:
        SourceRegister(database).remove(source.hsa_id, "qa", by=_WHO, at=utcnow())
    finally:
        database.close()
