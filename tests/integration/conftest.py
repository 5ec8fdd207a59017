"""What tests against real servers may ask for besides the servers themselves."""

from collections.abc import Iterator

import pytest

from shared.relay.broker import Broker
from shared.store.engine import Database, open_database
from shared.store.migrate import migrate
from tests.brokers import opened


@pytest.fixture
def broker(broker_url: str) -> Iterator[Broker]:
    """An empty broker with short delays, declared; once of each kind."""
    with opened(broker_url) as broker:
        broker.declare()
        yield broker


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database with room for eight threads; once of each kind."""
    migrate(database_url)
    opened = open_database(database_url, pool_size=8)
    yield opened
    opened.close()
