"""The interface of a broker; `rabbitmq` and `embedded` implement it.

Errors, drawn as a tree; each library's own errors are translated to these once, at the edge:

```
BrokerError
├── BrokerUnavailable   no connection, or it went before the confirm: nothing is known to be safe
│   └── NotDeclared     it answers, and lacks a queue of ours
├── PublishRefused      the broker took it back: unroutable, nacked, or the queue is full
└── UnknownBroker       BUDKAVLE_BROKER_URL names no broker we have
```

What is made for each message is a named tuple: a frozen dataclass takes four times as long.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.base.errors import WrongSettings


class BrokerError(Exception):
    """Anything that kept the broker from doing what was asked."""


class BrokerUnavailable(BrokerError):
    """The broker cannot be reached, or went away before it confirmed."""


class NotDeclared(BrokerUnavailable):
    """The broker answers, and lacks a queue of ours: `budkavle setup` makes it."""


class PublishRefused(BrokerError):
    """The broker answered, and did not take the message."""


class UnknownBroker(BrokerError, WrongSettings):
    """The broker URL's scheme is none we have."""


class Failure(BaseModel):
    """One failed attempt, as it stands in a message's history."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: AwareDatetime
    stage: str
    reason: str
    error: str = ""  # class name of the error, if there was one
    text: str = ""  # its text, redacted


class Envelope(NamedTuple):
    """A message on the wire: its bytes, and what the relay itself knows about it.

    Kept in our own headers, never in `x-death` or `x-delivery-count`, on which RabbitMQ 3 and 4
    differ.
    """

    message_id: str  # ours, kept through retries, dead letters and replays
    body: bytes
    attempt: int = 1  # the attempt that is to be made now
    not_before: datetime | None = None  # a longer wait is walked in several delay steps
    delayed_at: datetime | None = None  # when that wait began, by the clock of who set it
    history: tuple[Failure, ...] = ()  # the first and the latest failures
    dead_reason: str = ""  # set on dead letters only
    dead_since: datetime | None = None
    origin: str = ""  # the stage in whose dead queue it stands or stood
    replays: int = 0

    def __repr__(self) -> str:
        """Without the body, which may name a patient."""
        return f"Envelope({self.message_id!r}, attempt={self.attempt})"

    def after_failure(self, failure: Failure, *, keep: int = 10) -> "Envelope":
        """One attempt spent. Of a long history the first failure and the latest are kept."""
        history = (*self.history, failure)
        if len(history) > keep:
            history = (history[0], *history[-(keep - 1) :])
        return self._replace(attempt=self.attempt + 1, history=history)

    def replayed(self) -> "Envelope":
        """As it goes back to its stage on replay: same identity and history, attempts reset."""
        return self._replace(
            attempt=1,
            not_before=None,
            delayed_at=None,
            dead_reason="",
            dead_since=None,
            replays=self.replays + 1,
        )


class Outgoing(NamedTuple):
    """An envelope and where it goes.

    `key` is a stage's name or `topology.dead_key(stage)`. With `delay` (one of the topology's
    steps) it gets there that much later.
    """

    key: str
    envelope: Envelope
    delay: timedelta | None = None


class Delivery(NamedTuple):
    """An envelope handed to a consumer, to be acknowledged once.

    `token` belongs to the broker. `redelivered` says that it was handed out before, unacknowledged.
    """

    envelope: Envelope
    token: object
    redelivered: bool = False


@dataclass(frozen=True, slots=True)
class QueueState:
    """How full the queues of one stage are. None: this broker does not know."""

    stage: str
    ready: int
    unacknowledged: int | None
    delayed: int | None
    dead: int
    consumers: int | None


class Consumer(Protocol):
    """A running subscription to one stage's queue."""

    def acknowledge(self, delivery: Delivery, publish: Sequence[Outgoing] = ()) -> None:
        """Publish all of `publish`, each confirmed and routed, and only then acknowledge.

        Returns at once and may be called from any thread. When a publish fails there is no
        acknowledgement, and the broker hands the message out again. Acknowledging a delivery from a
        connection that is gone does nothing: the message comes again.
        """

    def pause(self) -> None:
        """Take no more deliveries. Those handed out can still be acknowledged."""

    def drained(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until every acknowledgement is stored."""

    def close(self) -> None:
        """Give the connection up. What is unacknowledged is handed out again by the broker."""

    @property
    def connected(self) -> bool:
        """Whether deliveries can come now (readiness)."""


class Broker(Protocol):
    """Durable queues with confirmed publishing, delays and dead letters."""

    def declare(self) -> None:
        """Create every queue and delay of the topology. Harmless when they are there.

        Raises `BrokerUnavailable`.
        """

    def missing(self) -> list[str]:
        """The queues of the topology that are not there: what waited in them is lost.

        Raises `BrokerUnavailable`.
        """

    def publish(self, messages: Sequence[Outgoing], *, timeout: float = 10) -> None:
        """Publish all, and return when every one is routed, stored and confirmed.

        Thread-safe. Raises `BrokerUnavailable` or `PublishRefused`; then some may be stored.
        """

    def consume(
        self, stage: str, deliver: Callable[[Delivery], None], *, prefetch: int
    ) -> Consumer:
        """Hand out the messages of `stage`'s queue, at most `prefetch` of them unacknowledged.

        `deliver` is called from the broker's own thread and must return at once. A lost
        connection is mended, with jittered waits, for as long as the consumer lives.
        """

    def ready(self) -> bool:
        """Whether a publish could be confirmed now (readiness of ingest). Never blocks for long."""

    def states(self) -> list[QueueState]:
        """One state for each reading stage, in their order. Raises `BrokerUnavailable`."""

    def dead_letters(self, stage: str) -> Iterator[Envelope]:
        """Look through the stage's dead queue, oldest first, and leave it as it is."""

    def take_dead(
        self, stage: str, decide: Callable[[Envelope], "DeadAction"], *, limit: int | None = None
    ) -> int:
        """Walk the stage's dead queue once and do with each letter as `decide` says.

        A replay is published, confirmed, to the stage's queue before the dead letter goes.
        Returns how many letters were replayed or discarded; stops after `limit` of them.
        """

    def close(self) -> None:
        """Give up every connection of this broker, its consumers' too."""


@dataclass(frozen=True, slots=True)
class DeadAction:
    """What is done with a dead letter: one of the three constants below."""

    name: str


KEEP = DeadAction("keep")
REPLAY = DeadAction("replay")
DISCARD = DeadAction("discard")
