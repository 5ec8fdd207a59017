"""The runner: consumes one queue, calls the handler, and does what its outcome says.

At least once, always: a delivery is acknowledged only after all that follows from it is stored
and confirmed, so every handler's effect is idempotent.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Any, NamedTuple

import structlog

from shared.base.clock import Clock, utcnow
from shared.base.errors import Unavailable, UndecodableMessage
from shared.base.logging import bound_to_lines
from shared.base.metrics import (
    AGE_SECONDS,
    HANDLER_SECONDS,
    IN_FLIGHT,
    declare_outcomes,
    outcome_counter,
)
from shared.relay.broker import Broker, Consumer, Delivery
from shared.relay.disposition import Disposition, RunnerReason, StageDelivery
from shared.relay.held import HeldDeliveries
from shared.relay.message import Message
from shared.relay.outcomes import DeadLetter, Outcome, Postpone, RetryLater
from shared.relay.spans import Span, Spans, traced
from shared.relay.topology import Topology, seconds
from shared.relay.waiting import Waiting

log = structlog.get_logger()

#: Decodes the body of a message. Raises `UndecodableMessage`.
Decode = Callable[[bytes], Message]

#: Takes what `Decode` returns, which the types cannot express.
Handler = Callable[[Any], Outcome]

#: Takes several messages at once and returns the outcome of each. If it raises, its effects must
#: tolerate a repetition, as after any redelivery.
BatchHandler = Callable[[Sequence[Any]], Sequence[Outcome]]


class Handled(NamedTuple):
    """What became of one message at this stage."""

    message: Message
    outcome: Outcome
    disposition: Disposition
    attempt: int
    at: datetime


#: Takes note of what became of a message: at once, and without ever failing.
Record = Callable[[Handled], None]

#: The names that every log line about a message carries. Takes what `Decode` returns.
LogContext = Callable[[Any], Mapping[str, str]]


def own_names(message: Message) -> Mapping[str, str]:
    """The ids that the message itself gives."""
    return message.log_context


#: Outcomes of the runner itself.
_RUNNER_OUTCOMES = {
    "retry": [RunnerReason.BUG],
    "dead": [RunnerReason.BUG, RunnerReason.UNDECODABLE],
    "postpone": [RunnerReason.NOT_YET],
}

#: How many messages are in a batch at most, unless a stage says otherwise.
LARGEST_BATCH = 60

#: How many of a large prefetch are never held, so that other messages get through.
_NOT_HELD = 100

#: How long a message waits when something that its handler needs is unavailable.
_OUTAGE_WAIT = seconds(5)[0]
#: How long the thread that met the outage rests, so that only a few messages a second are tried.
#: Otherwise an outage would send the whole queue through the delays.
_OUTAGE_REST_SECONDS = 2


class Worker:
    """Runs one stage's handler in `concurrency` threads.

    `decode` reads the body of a message. `handle_batch`, where given, handles the messages that
    wait when a thread is free, if there are several. If it raises, each of them is handled by
    itself, so that no message fails because of another. `linger`, `in_work` and
    `largest_batch`, which are for batches: as `Waiting` has them. `record` is given what became of
    each message that was read. `spans`, where given, follow each delivery.
    """

    def __init__(
        self,
        stage: str,
        handle: Handler,
        broker: Broker,
        *,
        decode: Decode,
        topology: Topology,
        concurrency: int,
        prefetch: int,
        handle_batch: BatchHandler | None = None,
        linger: float = 0,
        in_work: int = sys.maxsize,
        largest_batch: int = LARGEST_BATCH,
        log_context: LogContext = own_names,
        record: Record | None = None,
        spans: Spans | None = None,
        clock: Clock = utcnow,
    ) -> None:
        self._stage = stage
        self._handle = handle
        self._decode = decode
        self._handle_batch = handle_batch
        self._broker = broker
        self._topology = topology
        self._prefetch = prefetch
        self._log_context = log_context
        self._record = record
        self._spans = spans
        self._clock = clock
        self._waiting = Waiting(largest_batch if handle_batch else 1, linger, in_work=in_work)
        most_held = max(prefetch // 2, prefetch - _NOT_HELD)
        self._held = HeldDeliveries(self._waiting.put, most_held)
        self._stopping = Event()
        self._consumer: Consumer | None = None
        self._meters = _Meters(stage)
        self._threads = [
            Thread(target=self._work, name=f"{stage}-{number}", daemon=True)
            for number in range(concurrency)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        self._consumer = self._broker.consume(
            self._stage, self._waiting.put, prefetch=self._prefetch
        )

    def connected(self) -> bool:
        return self._consumer is not None and self._consumer.connected

    def take_oldest(self) -> float | None:
        """The age of the oldest message handled since the last call, in seconds."""
        oldest, self._meters.oldest = self._meters.oldest, None
        return oldest

    def stop(self, timeout: float) -> bool:
        """Finish the messages in flight within `timeout` seconds; whether all were acknowledged.

        The order matters: no new deliveries, then the handlers end, then their publishes are
        confirmed and acknowledged, and only then is the connection closed. Messages that were
        delivered and not begun then return to the queue.
        """
        deadline = time.monotonic() + timeout
        if self._consumer is None:
            return True
        self._consumer.pause()
        self._held.stop()
        self._stopping.set()
        for _ in self._threads:
            self._waiting.end()
        for thread in self._threads:
            thread.join(max(0, deadline - time.monotonic()))
        done = not any(thread.is_alive() for thread in self._threads)
        done = self._consumer.drained(max(0, deadline - time.monotonic())) and done
        self._consumer.close()
        return done

    def _work(self) -> None:
        while deliveries := self._waiting.take():
            if self._stopping.is_set():
                return
            self._meters.in_flight.inc(len(deliveries))
            self._pass_on_all(deliveries)
            self._meters.in_flight.dec(len(deliveries))
            self._waiting.handled(deliveries)

    def _pass_on_all(self, deliveries: Sequence[Delivery]) -> None:
        works = [work for work in map(self._work_of, deliveries) if work]
        if len(works) > 1 and (outcomes := self._judge_batch(works)):
            self._finish([*zip(works, outcomes, strict=True)])
            return
        for work in works:
            with bound_to_lines(work.names):
                outcome = self._judge(work.message)
            self._finish([(work, outcome)])

    def _work_of(self, delivery: Delivery) -> "_Work | None":
        """The job; None when its wait is not over, or the body cannot be decoded."""
        delivered = StageDelivery(
            self._stage, delivery.envelope, self._clock(), self._topology, delivery.message
        )
        if delivered.is_waiting:
            self._acknowledge([(delivery, delivered.next_delay())])
            return None
        span = self._spans.begin(delivery.envelope) if self._spans else None
        try:
            message = delivery.message or self._decode(delivery.envelope.body)
        except UndecodableMessage as error:
            disposition = delivered.disposition(DeadLetter(RunnerReason.UNDECODABLE, error))
            if span:
                disposition = _ended(span, disposition, {})
            self._acknowledge([(delivery, disposition)])
            self._report(disposition, delivery, seconds_taken=0)
            return None
        names = self._log_context(message)
        return _Work(delivery, delivered, message, names, time.perf_counter(), span)

    def _judge_batch(self, works: Sequence["_Work"]) -> Sequence[Outcome] | None:
        """The outcomes of a batch; None when it failed: each message by itself shows why."""
        assert self._handle_batch is not None  # noqa: S101 - else there are not several
        with suppress(Exception):
            return self._handle_batch([work.message for work in works])
        return None

    def _finish(self, judged: Sequence[tuple["_Work", Outcome]]) -> None:
        ended = [
            (work, outcome, _disposition(work, outcome))
            for work, outcome in judged
            if not self._hold(work, outcome)
        ]
        if not ended:
            return
        taken, now = time.perf_counter() - judged[0][0].started, self._clock()
        self._acknowledge([(work.delivery, disposition) for work, _, disposition in ended])
        for work, outcome, disposition in ended:
            with bound_to_lines(work.names):
                self._report(disposition, work.delivery, seconds_taken=taken)
            self._meters.handled(taken, age=now - work.message.received_at)
            if self._record:
                attempt = work.delivery.envelope.attempt
                self._record(Handled(work.message, outcome, disposition, attempt, now))

    def _hold(self, work: "_Work", outcome: Outcome) -> bool:
        """Whether the delivery is held until it is handled again.

        Not one that an operator replays, who waits for the report.
        """
        if not isinstance(outcome, Postpone) or not outcome.in_hand or work.delivery.envelope.run:
            return False
        message = outcome.instead or work.message
        if not self._held.hold(work.delivery._replace(message=message), outcome.delay):
            return False
        disposition = Disposition((), "postpone", str(outcome.reason))
        if work.span:
            work.span.end(disposition, work.message.log_context)
        self._meters.count(disposition)
        return True

    def _judge(self, message: Message) -> Outcome:
        try:
            return self._handle(message)
        except Unavailable as outage:
            log.warning("outage", reason=outage.reason, error=str(outage))
            self._stopping.wait(_OUTAGE_REST_SECONDS)
            return Postpone(_OUTAGE_WAIT, outage.reason)
        except Exception as error:
            log.exception("handler_failed")
            return RetryLater(RunnerReason.BUG, error)

    def _acknowledge(self, several: Sequence[tuple[Delivery, Disposition]]) -> None:
        assert self._consumer is not None  # noqa: S101 - deliveries come from it
        self._consumer.acknowledge_all(
            [(delivery, disposition.publish) for delivery, disposition in several]
        )
        for _, disposition in several:
            self._meters.count(disposition)

    def _report(
        self, disposition: Disposition, delivery: Delivery, *, seconds_taken: float
    ) -> None:
        level = log.error if disposition.outcome == "dead" else log.info
        level(
            "handled",
            outcome=disposition.outcome,
            reason=disposition.reason,
            message=delivery.envelope.message_id,
            attempt=delivery.envelope.attempt,
            redelivered=delivery.redelivered,
            seconds=round(seconds_taken, 4),
        )


class _Work(NamedTuple):
    """A message to be handled, and since when (`time.perf_counter`)."""

    delivery: Delivery
    delivered: StageDelivery
    message: Message
    names: Mapping[str, str]  # for log lines
    started: float
    span: Span | None


def _disposition(work: _Work, outcome: Outcome) -> Disposition:
    disposition = work.delivered.disposition(outcome)
    return _ended(work.span, disposition, work.message.log_context) if work.span else disposition


def _ended(span: Span, disposition: Disposition, names: Mapping[str, str]) -> Disposition:
    """The same, and what it publishes belongs to the span's trace."""
    span.end(disposition, names)
    return disposition._replace(publish=traced(disposition.publish, span.traceparent))


class _Meters:
    """The labelled metrics of this stage, looked up once."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self.in_flight = IN_FLIGHT.labels(stage)
        self._handler_seconds = HANDLER_SECONDS.labels(stage)
        self._age = AGE_SECONDS.labels(stage)
        self.oldest: float | None = None
        declare_outcomes(stage, _RUNNER_OUTCOMES)

    def handled(self, seconds_taken: float, *, age: timedelta) -> None:
        self._handler_seconds.observe(seconds_taken)
        age_seconds = age.total_seconds()
        self._age.observe(age_seconds)
        if self.oldest is None or age_seconds > self.oldest:
            self.oldest = age_seconds

    def count(self, disposition: Disposition) -> None:
        outcome_counter(self._stage, disposition.outcome, disposition.reason).inc()
