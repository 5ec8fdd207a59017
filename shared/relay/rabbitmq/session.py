"""One open channel: pipelined, confirmed publishes, and work that waits while it is blocked.

Used on the connection's I/O thread only.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from pika.channel import Channel
from pika.exceptions import ShortStringTooLong, UnsupportedAMQPFieldException
from pika.frame import Method
from pika.spec import Basic, BasicProperties

from shared.relay.broker import BrokerError, BrokerUnavailable, Outgoing, PublishRefused
from shared.relay.rabbitmq.acks import Acknowledgements, Soon
from shared.relay.rabbitmq.wire import properties_of, route_of

#: Called once with how a batch of publishes ended; None: every one is routed, stored and confirmed.
Done = Callable[[BrokerError | None], None]


class _Batch:
    """Messages that succeed or fail together."""

    __slots__ = ("done", "error", "waiting")

    def __init__(self, size: int, done: Done) -> None:
        self.waiting = size
        self.error: BrokerError | None = None
        self.done = done

    def one_answered(self) -> None:
        self.waiting -= 1
        if not self.waiting:
            self.done(self.error)


class Session:
    """From the opening of a channel to its loss. Deliveries and confirms belong to one session."""

    def __init__(
        self,
        channel: Channel,
        *,
        on_unroutable: Callable[[str, str], None],
        soon: Soon,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.channel = channel
        self.acks = Acknowledgements(channel, soon)
        self.blocked = False
        self._on_unroutable = on_unroutable
        self._monotonic = monotonic
        self._unconfirmed_since: float | None = None
        self._refused_since: float | None = None
        self._last_tag = 0
        self._next_unanswered = 1
        self._unanswered: dict[int, tuple[_Batch, Outgoing]] = {}
        self._held: deque[Callable[[Session | None], None]] = deque()
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm)

    @property
    def unanswered(self) -> int:
        return len(self._unanswered)

    @property
    def unconfirmed_seconds(self) -> float:
        """For how long the broker has confirmed nothing, though it was sent something.

        A refusal (nack) is no confirm: a node that cannot reach the others of its cluster nacks.
        """
        since = self._unconfirmed_since
        return 0.0 if since is None else self._monotonic() - since

    @property
    def refused_seconds(self) -> float:
        """For how long the broker refuses (nacks) something, whatever it confirms besides.

        RabbitMQ 3.10 asks once for a queue's leader, at a channel's first publish to it. If that
        one had just gone, it nacks what the channel publishes there for as long as the channel
        lives.
        """
        since = self._refused_since
        return 0.0 if since is None else self._monotonic() - since

    def publish(self, messages: Sequence[Outgoing], done: Done) -> None:
        """Send all of `messages` (at least one); `done` hears of it later."""
        batch = _Batch(len(messages), done)
        for message in messages:
            try:
                self._send(message)
            except (ShortStringTooLong, UnsupportedAMQPFieldException) as error:
                batch.error = PublishRefused(f"cannot be encoded: {type(error).__name__}")
                batch.one_answered()
                continue
            self._last_tag += 1
            self._unanswered[self._last_tag] = batch, message
            if self._unconfirmed_since is None:
                self._unconfirmed_since = self._monotonic()

    def _send(self, message: Outgoing) -> None:
        """All of it or nothing: what cannot be encoded must not cost others their connection."""
        exchange, key = route_of(message)
        envelope = message.envelope
        properties = properties_of(envelope)
        self.channel.basic_publish(exchange, key, envelope.body, properties, mandatory=True)

    def requeue(self, tag: int) -> None:
        """Singly, never `multiple`: another message before it may still be in work."""
        self.acks.given_back(tag)
        if self.channel.is_open:
            self.channel.basic_nack(tag, requeue=True)

    def unless_blocked(self, work: "Callable[[Session | None], None]") -> None:
        """Do it now or, while the broker takes nothing in, when it does again.

        When the session is lost first, `work` is called with None.
        """
        if self.blocked:
            self._held.append(work)
        else:
            work(self)

    def unblock(self) -> None:
        self.blocked = False
        if self._unconfirmed_since is not None:
            self._unconfirmed_since = self._monotonic()
        while self._held and not self.blocked:
            self._held.popleft()(self)

    def lose(self) -> None:
        """The connection is gone: nothing that is unanswered is known to be safe."""
        lost = BrokerUnavailable("connection lost before the confirm")
        unanswered, self._unanswered = self._unanswered, {}
        for batch, _ in unanswered.values():
            batch.error = lost
            batch.one_answered()
        while self._held:
            self._held.popleft()(None)

    def _on_confirm(self, frame: "Method[Any]") -> None:
        answer = frame.method
        refused = isinstance(answer, Basic.Nack)
        first = self._next_unanswered if answer.multiple else answer.delivery_tag
        for tag in range(first, answer.delivery_tag + 1):
            self._answered(tag, refused=refused)
        if first <= self._next_unanswered:
            self._next_unanswered = answer.delivery_tag + 1
        if not refused:
            self._unconfirmed_since = self._monotonic() if self._unanswered else None
        elif self._refused_since is None:
            self._refused_since = self._unconfirmed_since

    def _answered(self, tag: int, *, refused: bool) -> None:
        found = self._unanswered.pop(tag, None)
        if found is None:
            return
        batch, _ = found
        if refused:
            batch.error = PublishRefused("nacked")
        batch.one_answered()

    def _on_return(
        self, _channel: Channel, method: Basic.Return, properties: BasicProperties, _body: bytes
    ) -> None:
        """Unroutable. The broker reports it before it confirms, and names the message by its id."""
        for batch, message in self._unanswered.values():
            if message.envelope.message_id == properties.message_id and route_of(message) == (
                method.exchange,
                method.routing_key,
            ):
                batch.error = PublishRefused(f"unroutable: {method.exchange} {method.routing_key}")
        self._on_unroutable(method.exchange, method.routing_key)
