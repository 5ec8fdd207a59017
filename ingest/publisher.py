"""The broker as the handler sees it."""

from shared.base.errors import Unavailable
from shared.booking.messages import Notification
from shared.relay.broker import Broker, BrokerError, Envelope, Outgoing


class QueuePublisher:
    """Puts notifications into the filter's queue, each confirmed before it returns."""

    def __init__(self, broker: Broker, *, timeout: float) -> None:
        self._broker = broker
        self._timeout = timeout  # seconds

    def __call__(self, notification: Notification) -> None:
        envelope = Envelope(notification.identity, notification.encode())
        try:
            self._broker.publish([Outgoing(notification.queue, envelope)], timeout=self._timeout)
        except BrokerError as error:
            raise Unavailable("queue_unavailable", type(error).__name__) from error
