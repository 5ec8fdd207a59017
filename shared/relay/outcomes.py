"""What a handler may answer about one message.

======================  ==============================================================
outcome                 what the runner does
======================  ==============================================================
`Publish`               publishes all, confirmed, then acknowledges
`Done`                  counts and logs the reason, acknowledges: the effect is achieved
`Drop`                  counts and logs the reason, acknowledges: nothing is to be done
`RetryLater`            confirmed publish to the next delay; spends an attempt
`Postpone`              the same, but no attempt is spent; or waits with the worker
`DeadLetter`            confirmed publish to the stage's dead queue
`Unavailable` raised    as `Postpone`: something we lean on is away
any other exception     a bug: logged with its traceback, then as `RetryLater`
======================  ==============================================================
"""

from dataclasses import dataclass
from datetime import timedelta

from shared.relay.message import Message

#: A short snake_case word that is counted: a member of a stage's own enumeration (StrEnum).
Reason = str


@dataclass(frozen=True, slots=True)
class Publish:
    """Pass `messages` on; each goes to the queue of its type. `note` is logged and counted."""

    messages: tuple[Message, ...]
    note: Reason | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The effect is achieved (sent, stored, carried over), and nothing is passed on."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing is to be done about this message."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class RetryLater:
    """It failed now and may work later. `error` goes to the history of the message."""

    reason: Reason
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Postpone:
    """It is not its time yet. `instead`, if given, is what comes back after `delay`.

    `in_hand`: the worker may keep a short wait to itself. It is only counted then, and when the
    worker ends meanwhile, the message comes back at once and as it was, without `instead`.
    """

    delay: timedelta
    reason: Reason
    instead: Message | None = None
    in_hand: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """No retry will help: people must look. `error` may not hold anything of the patient's."""

    reason: Reason
    error: Exception | None = None


Outcome = Publish | Done | Drop | RetryLater | Postpone | DeadLetter
