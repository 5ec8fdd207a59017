"""What tests against real servers may ask for besides the servers themselves."""

from collections.abc import Iterator

import pytest

from shared.relay.broker import Broker
from tests.brokers import opened


@pytest.fixture
def broker(broker_url: str) -> Iterator[Broker]:
    """An empty broker with short delays, declared; once of each kind."""
    with opened(broker_url) as broker:
        broker.declare()
        yield broker
