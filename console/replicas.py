"""Which queues have fewer replicas than they should: the loss of a node may then be an outage.

A quorum queue keeps the replicas it was declared with, however many nodes join later (RabbitMQ,
"Quorum Queues", "Replica Management"), unless RabbitMQ 4.x was told to reconcile them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.relay import kind_of
from shared.relay.broker import BrokerError
from shared.stage.settings import CommonSettings

_NOT_ASKED = "BUDKAVLE_BROKER_MANAGEMENT_URL is not set"


@dataclass(frozen=True, slots=True)
class Replicas:
    """`fewer`: the queues with fewer replicas than `least`. `unknown`: why they are not known."""

    least: int = 1
    fewer: Mapping[str, int] = field(default_factory=dict)
    unknown: str = ""

    @property
    def fewest(self) -> tuple[str, int]:
        """The queue that has the fewest of `fewer`, and how many. Raises ValueError: none has."""
        return min(self.fewer.items(), key=lambda each: each[1])


def count_replicas(settings: CommonSettings) -> Replicas:
    """By the management API; nothing is asked where one replica is enough."""
    least = settings.broker_least_replicas
    broker_url = settings.broker_url.get_secret_value()
    management_url = settings.broker_management_url.get_secret_value()
    if least == 1 or kind_of(broker_url) != "rabbitmq":
        return Replicas()
    if not management_url:
        return Replicas(least, unknown=_NOT_ASKED)
    from shared.relay.rabbitmq.management import replicas

    try:
        found = replicas(management_url, broker_url)
    except BrokerError as error:
        return Replicas(least, unknown=str(error))
    return Replicas(least, {name: found[name] for name in sorted(found) if found[name] < least})
