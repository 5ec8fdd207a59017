"""The interface of a broker; `rabbitmq` and `embedded` implement it.

Errors, drawn as a tree; each library's own errors are translated to these once, at the edge:

```
BrokerError
├── BrokerUnavailable   no connection, or it went before the confirm: nothing is known to be safe
│   └── NotDeclared     it answers, and lacks a queue of ours
├── PublishRefused      the broker took it back: unroutable, nacked, or the queue is full
├── DeadQueueBusy       another operator holds the dead letters of that stage
└── UnknownBroker       BUDKAVLE_BROKER_URL names no broker we have
```

What is made for each message is a named tuple: a frozen dataclass takes four times as long.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.base.errors import WrongSettings
from shared.relay.message import Message
from shared.relay.topology import Place

_SWEDEN = ZoneInfo("Europe/Stockholm")


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


class Holder(BaseModel):
    """Who holds the dead letters of a stage."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    by: str
    doing: str  # "looking", "replaying: 1,240 of 5,000"
    since: AwareDatetime


class DeadQueueBusy(BrokerError):
    """Another operator holds the dead letters of `stage`. `holder` is None when unknown."""

    def __init__(self, stage: str, holder: Holder | None) -> None:
        who = "another operator"
        if holder is not None:
            since = holder.since.astimezone(_SWEDEN)
            who = f"{holder.by} since {since:%Y-%m-%d %H:%M:%S} ({holder.doing})"
        super().__init__(f"the dead letters of {stage} are held by {who}; try again later")
        self.stage = stage
        self.holder = holder


class Aside(BaseModel):
    """Who parked or discarded a dead letter, when, and why."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: AwareDatetime
    by: str
    note: str


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
    run: str = ""  # the replay whose operator wants to know what becomes of it
    aside: Aside | None = None  # set on parked and discarded letters only
    traceparent: str = ""  # the span that published it, if traces are kept (`spans`)

    def __repr__(self) -> str:
        """Without the body, which may name a patient."""
        return f"Envelope({self.message_id!r}, attempt={self.attempt})"

    def after_failure(self, failure: Failure, *, keep: int = 10) -> "Envelope":
        """One attempt spent. Of a long history the first failure and the latest are kept."""
        history = (*self.history, failure)
        if len(history) > keep:
            history = (history[0], *history[-(keep - 1) :])
        return self._replace(attempt=self.attempt + 1, history=history)

    def replayed(self, run: str = "") -> "Envelope":
        """As it goes back to its stage on replay: same identity and history, attempts reset.

        With a `run`, the stage reports what becomes of it (`replay_reports`).
        """
        return self._replace(
            attempt=1,
            not_before=None,
            delayed_at=None,
            dead_reason="",
            dead_since=None,
            replays=self.replays + 1,
            run=run,
            aside=None,
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
    `message`: what the worker, which held it meanwhile, is to handle in place of its body.
    """

    envelope: Envelope
    token: object
    redelivered: bool = False
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class QueueState:
    """How full the queues of one stage are. None: this broker does not know."""

    stage: str
    ready: int
    unacknowledged: int | None
    delayed: int | None
    dead: int
    consumers: int | None
    parked: int = 0
    discarded: int = 0
    #: In the delays of all stages together; on RabbitMQ they share the delay queues.
    delayed_total: int | None = None


class HeldLetter(NamedTuple):
    """A dead letter in the hands of the operator who holds its queue."""

    envelope: Envelope
    token: object


class DeadQueue(Protocol):
    """The letters of one stage in one place, held. What is not taken stays as it was.

    Every method raises `BrokerUnavailable` when the hold is lost. For one thread.
    """

    def read(self, most: int) -> list[HeldLetter]:
        """The next letters, oldest first, at most `most`; none when all have been read.

        A letter that was taken and has died again is read as a letter of its own, on RabbitMQ.
        """

    def take(self, letters: Sequence[HeldLetter], publish: Sequence[Outgoing] = ()) -> None:
        """Publish all of `publish`, confirmed, and only then remove `letters`.

        Raises `PublishRefused`. On RabbitMQ a process killed between the two leaves both.
        """

    def reports(self) -> list[Envelope]:
        """What the stage reported of replayed letters since this was asked last (see `Replay`)."""

    def doing(self, what: str) -> None:
        """What others are told who want these letters, too."""

    def rest(self, seconds: float) -> None:
        """Wait, and keep the hold."""


class Consumer(Protocol):
    """A running subscription to one stage's queue."""

    def acknowledge(self, delivery: Delivery, publish: Sequence[Outgoing] = ()) -> None:
        """Publish all of `publish`, each confirmed and routed, and only then acknowledge.

        Returns at once and may be called from any thread. When a publish fails there is no
        acknowledgement, and the broker hands the message out again. Acknowledging a delivery from a
        connection that is gone does nothing: the message comes again.
        """

    def acknowledge_all(self, several: Sequence[tuple[Delivery, Sequence[Outgoing]]]) -> None:
        """As `acknowledge`, of each with what is published in its place, in one crossing.

        Each stands for itself: a publish that fails leaves only its own delivery unacknowledged.
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


class Publishing(Protocol):
    """What a publisher needs of a broker."""

    def publish(self, messages: Sequence[Outgoing], *, timeout: float = 10) -> None:
        """As `Broker.publish`."""


@runtime_checkable
class BeginsPublishing(Protocol):
    """A broker for which no thread needs to wait. The embedded one is none: it writes a file."""

    def begin_publish(
        self, messages: Sequence[Outgoing], answered: Callable[[BrokerError | None], None]
    ) -> Callable[[], None]:
        """Publish, and return at once; `answered` is called once, when all are confirmed or not.

        It is called on a thread of the broker's, must return at once and must not fail. What is
        returned abandons the publish: it is not called any more. Raises `BrokerUnavailable` when
        there is no connection now.
        """


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

    def delays(self) -> dict[timedelta, int | None]:
        """How many messages wait in each delay step, of all stages together, shortest step first.

        None: its queue is missing (`missing`). Raises `BrokerUnavailable`.
        """

    def dead_letters(
        self, stage: str, place: Place = Place.DEAD, *, by: str = "", within: float | None = None
    ) -> Generator[Envelope, None, None]:
        """Look through the stage's letters in `place`, oldest first, and leave them as they are.

        Takes nothing from a replay that runs: it is waited for `within` seconds (None: ten), and
        then `DeadQueueBusy` is raised, unless this broker can look without holding (embedded).
        Who does not look at all of them closes it, so that others may look and replay.
        """

    def hold_dead(
        self,
        stage: str,
        place: Place = Place.DEAD,
        *,
        by: str,
        doing: str,
        within: float | None = None,
    ) -> "AbstractContextManager[DeadQueue]":
        """Hold the dead letters of `stage`, as the one operator who does.

        Raises `DeadQueueBusy` when another holds them for more than `within` seconds (None: ten).
        """

    def take_dead(
        self, stage: str, decide: Callable[[Envelope], "DeadAction"], *, limit: int | None = None
    ) -> int:
        """Walk the stage's dead queue once and do with each letter as `decide` says.

        A replay is published, confirmed, to the stage's queue before the dead letter goes. One
        that dies again meanwhile is not taken again. Returns how many letters were replayed or
        discarded (for good); stops after `limit` of them. Raises `DeadQueueBusy`.
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
