"""What a handler's outcome means for the queues, as a pure function.

The runner (`shared.relay.worker`) carries it out; nothing else publishes a retry or a dead letter.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from shared.base.clock import is_of_the_future
from shared.base.redaction import redact
from shared.relay.broker import Envelope, Failure, Outgoing
from shared.relay.message import Message
from shared.relay.outcomes import DeadLetter, Done, Drop, Outcome, Postpone, Publish, RetryLater
from shared.relay.replay_reports import report_of
from shared.relay.topology import Topology, dead_key

_ERROR_TEXT_LENGTH = 300
#: Bytes of an id on the wire (AMQP 0-9-1, "short strings"). Ours are ASCII.
_LONGEST_ID = 255


class RunnerReason(StrEnum):
    """Reasons that are the runner's own, not a handler's."""

    NOT_YET = "not_yet"  # within the delay steps of a longer wait
    UNDECODABLE = "undecodable"
    BUG = "bug"


class Disposition(NamedTuple):
    """What is published in place of a delivery, and how the delivery is counted and logged."""

    publish: tuple[Outgoing, ...]
    outcome: str
    reason: str


class StageDelivery(NamedTuple):
    """One delivery at one stage, at one moment.

    `message`: what it became while the worker held it.
    """

    stage: str
    envelope: Envelope
    now: datetime
    topology: Topology
    message: Message | None = None

    def disposition(self, outcome: Outcome) -> Disposition:
        found = self._disposed(outcome)
        if not self.envelope.run:
            return found
        report = report_of(self.stage, self.envelope, found.outcome, found.reason)
        return found._replace(publish=(*found.publish, report))

    def _disposed(self, outcome: Outcome) -> Disposition:
        match outcome:
            case Publish(messages, note):
                return self._publish(messages, str(note or ""))
            case Done(reason):
                return Disposition((), "done", str(reason))
            case Drop(reason):
                return Disposition((), "drop", str(reason))
            case Postpone(delay, reason, instead):
                return self._postpone(delay, str(reason), instead or self.message)
            case RetryLater(reason, error):
                return self._retry(str(reason), error)
            case DeadLetter(reason, error):
                return self._dead_letter(str(reason), error)

    def _publish(self, messages: Sequence[Message], note: str) -> Disposition:
        """A message that no broker could be handed would come back with its delivery for ever."""
        published = tuple(map(_first_attempt, messages))
        for outgoing in published:
            if (length := len(outgoing.envelope.message_id)) > _LONGEST_ID:
                error = ValueError(f"an id of {length} characters")
                return self._dead_letter(RunnerReason.BUG, error)
        return Disposition(published, "publish", note)

    @property
    def is_waiting(self) -> bool:
        """Whether the message returned from a delay step before its wait is over.

        A wait that began later than now was set by a wrong clock: the delay step was the wait.
        """
        if self.envelope.not_before is None or is_of_the_future(self.envelope.delayed_at, self.now):
            return False
        return self.now < self.envelope.not_before

    def next_delay(self) -> Disposition:
        """The next step of a wait that is longer than any delay queue."""
        assert self.envelope.not_before is not None  # noqa: S101 - `is_waiting` was asked
        return Disposition(
            (self._delayed(self.envelope, self.envelope.not_before),),
            "postpone",
            RunnerReason.NOT_YET,
        )

    def _postpone(self, delay: timedelta, reason: str, instead: Message | None) -> Disposition:
        envelope = _with_body(self.envelope, instead)
        return Disposition((self._delayed(envelope, self.now + delay),), "postpone", reason)

    def _retry(self, reason: str, error: Exception | None) -> Disposition:
        delay = self.topology.retry_delay(self.envelope.attempt)
        if delay is None:
            return self._dead_letter(reason, error)
        failed = self._failed(reason, error)
        return Disposition((self._delayed(failed, self.now + delay),), "retry", reason)

    def _dead_letter(self, reason: str, error: Exception | None) -> Disposition:
        letter = self._failed(reason, error)._replace(
            attempt=self.envelope.attempt,
            not_before=None,
            delayed_at=None,
            dead_reason=reason,
            dead_since=self.now,
            origin=self.stage,
        )
        return Disposition((Outgoing(dead_key(self.stage), letter),), "dead", reason)

    def _delayed(self, envelope: Envelope, until: datetime) -> Outgoing:
        step = self.topology.step_for(until - self.now)
        waiting = envelope._replace(not_before=until, delayed_at=self.now)
        return Outgoing(self.stage, waiting, delay=step)

    def _failed(self, reason: str, error: Exception | None) -> Envelope:
        envelope = _with_body(self.envelope, self.message)
        return envelope.after_failure(self._failure(reason, error))

    def _failure(self, reason: str, error: Exception | None) -> Failure:
        return Failure(
            at=self.now,
            stage=self.stage,
            reason=reason,
            error=type(error).__name__ if error else "",
            text=redact(str(error))[:_ERROR_TEXT_LENGTH] if error else "",
        )


def _with_body(envelope: Envelope, instead: Message | None) -> Envelope:
    return envelope if instead is None else envelope._replace(body=instead.encode())


def _first_attempt(message: Message) -> Outgoing:
    return Outgoing(message.queue, Envelope(message.identity, message.encode()))
