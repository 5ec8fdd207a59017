"""Decides how the gateway answers: taken, refused for good, or a Fault.

Only a Fault (or no answer) makes the index send again, a few times; then it keeps the request until
people replay it. Any other answer is final (docs/domain.md, "Answers and re-sends").
Hence:

- Each engagement is judged by itself. Those that cannot be taken stay in the queue message; the
  filter, which has the register, dead-letters or drops them.
- *OK* when nothing was left out, *INFO* when something was, *ERROR* when nothing could be taken: it
  would fail the same each time.
- *Fault, Client* for bytes in which no ProcessNotification can be recognised. The index does not
  write such bytes: they were damaged on the way, and sending again helps, or came from elsewhere.
  An ERROR could lose a sound notification.
- *Fault, MustUnderstand* for a header block that must be understood and is not (SOAP 1.1).
- *Fault, Client* for another address: people must correct the routing and then send again.
- *Fault, Server* for failures of ours that last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from threading import Semaphore
from typing import Protocol

from ingest.calls import (
    Call,
    NotificationRequest,
    NotUnderstood,
    OtherContract,
    Ping,
    read_call,
)
from ingest.engagements import Judged, NoEngagements, Refusal
from ingest.recent_removals import RecentRemovals
from shared.base.clock import Clock
from shared.base.errors import Unavailable
from shared.booking.identity import same_hsa_id
from shared.booking.messages import Notification
from shared.riv.soap import FaultCode, NotSoap, WrongSoapVersion
from shared.riv.xml import MalformedXml

#: Documents parsed at the same time. Parsing is CPU-bound, and a tree takes many times the memory
#: of its bytes.
_READ_AT_ONCE = 2
#: How many refused engagements a comment names.
_MOST_NAMED = 5


class RefusalReason(StrEnum):
    INVALID = "invalid"


class FaultReason(StrEnum):
    MALFORMED_XML = "malformed_xml"
    NOT_SOAP = "not_soap"
    OTHER_CONTRACT = "other_contract"
    NOT_UNDERSTOOD = "not_understood"  # a header block with mustUnderstand="1"
    WRONG_ADDRESS = "wrong_address"
    QUEUE_UNAVAILABLE = "queue_unavailable"
    BUG = "bug"
    # Decided by the endpoint, before there is a call to handle:
    CALLER_NOT_ALLOWED = "caller_not_allowed"
    CONTENT_TYPE = "content_type"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    OVERLOADED = "overloaded"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Taken:
    """What could be taken is safe in the queue. INFO when `refused` is not empty, else OK."""

    notification_id: str  # "" when there was nothing to be stored
    engagements: int
    addressed: bool  # whether the request carried a LogicalAddress
    refused: tuple[Refusal, ...] = ()
    ignored: int = 0  # engagements of other service domains that cannot be read

    @property
    def comment(self) -> str:
        return f"Left out: {_comment(self.refused)}" if self.refused else ""


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to PingForConfiguration."""


@dataclass(frozen=True, slots=True)
class NothingTaken:
    """ResultCode ERROR: nothing could be taken. `comment` names the elements at fault.

    What was refused is safe in the queue, for the filter to judge.
    """

    reason: RefusalReason
    comment: str
    notification_id: str = ""
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Faulted:
    """A SOAP Fault with this HTTP status."""

    reason: FaultReason
    code: FaultCode
    text: str
    status: int = 500


Answer = Taken | Pong | NothingTaken | Faulted

NOT_STORED = Faulted(
    FaultReason.QUEUE_UNAVAILABLE,
    "Server",
    "The notification could not be stored now; send it again.",
)


@dataclass(frozen=True, slots=True)
class Unstored:
    """What is to be stored, and the answer once it is."""

    notification: Notification
    answer: Taken | NothingTaken


class PublishNotification(Protocol):
    """Returns when the broker has confirmed; raises `Unavailable` when it did not."""

    def __call__(self, notification: Notification, /) -> None: ...


class NotificationHandler:
    """Answers one call. Called from several threads at once."""

    def __init__(
        self,
        publish: PublishNotification,
        *,
        logical_address: str,
        max_body_bytes: int,
        clock: Clock,
        name: Callable[[], str],
    ) -> None:
        self._publish = publish
        self._logical_address = logical_address
        self._max_body_bytes = max_body_bytes
        self._clock = clock
        self._name = name
        self._reading = Semaphore(_READ_AT_ONCE)
        self._recent_removals = RecentRemovals()

    def __call__(self, call: Call) -> Answer | Unstored:
        """The answer; `Unstored` when the broker is unavailable."""
        with self._reading:
            answer = self.read(call)
        if not isinstance(answer, Unstored):
            return answer
        try:
            self._publish(answer.notification)
        except Unavailable:
            return answer
        return answer.answer

    def read(self, call: Call) -> Answer | Unstored:
        """What is to be stored, or the answer when nothing is. It only computes."""
        try:
            request = read_call(call.body, encoding=call.encoding, max_bytes=self._max_body_bytes)
            match request:
                case Ping():
                    return Pong()
                case NotificationRequest() if self._is_for_another(request):
                    return _wrong_address()
            judged = request.engagements()
        except NoEngagements as error:
            return NothingTaken(RefusalReason.INVALID, str(error))
        except (MalformedXml, NotSoap, NotUnderstood, OtherContract) as error:
            return _not_a_call(error)
        return self._to_store(call, judged, addressed=bool(request.logical_address))

    def _is_for_another(self, request: NotificationRequest) -> bool:
        address = request.logical_address
        return bool(
            self._logical_address and address and not same_hsa_id(address, self._logical_address)
        )

    def _to_store(self, call: Call, judged: Judged, *, addressed: bool) -> Answer | Unstored:
        if not judged.taken and not judged.refused:
            return Taken("", 0, addressed, ignored=judged.ignored)
        received_at = self._clock()
        notification = Notification(
            notification_id=self._name(),
            correlation_id=call.correlation_id,
            received_at=received_at,
            caller=call.caller,
            engagements=judged.taken,
            refused=tuple(refusal.kept for refusal in judged.refused),
            removed_before=self._recent_removals.related_to(judged.taken, received_at),
        )
        self._recent_removals.remember(judged.taken, notification.notification_id, received_at)
        answer = _answer(notification.notification_id, judged, addressed=addressed)
        return Unstored(notification, answer)


def _answer(notification_id: str, judged: Judged, *, addressed: bool) -> Taken | NothingTaken:
    taken, refused, ignored = judged
    if taken or ignored:
        return Taken(notification_id, len(taken), addressed, refused, ignored)
    return NothingTaken(RefusalReason.INVALID, _comment(refused), notification_id, refused)


def _comment(refused: Sequence[Refusal]) -> str:
    named = "; ".join(refusal.comment for refusal in refused[:_MOST_NAMED])
    more = len(refused) - _MOST_NAMED
    return f"{named}; and {more} more" if more > 0 else named


def _wrong_address() -> Faulted:
    text = "The LogicalAddress of the request is not the one of this subscriber."
    return Faulted(FaultReason.WRONG_ADDRESS, "Client", text)


def _not_a_call(error: MalformedXml | NotSoap | NotUnderstood | OtherContract) -> Faulted:
    text = f"No call could be read: {error}."
    match error:
        case MalformedXml():
            return Faulted(FaultReason.MALFORMED_XML, "Client", text)
        case WrongSoapVersion():
            return Faulted(FaultReason.NOT_SOAP, "VersionMismatch", text)
        case NotSoap():
            return Faulted(FaultReason.NOT_SOAP, "Client", text)
        case NotUnderstood():
            return Faulted(FaultReason.NOT_UNDERSTOOD, "MustUnderstand", text)
        case OtherContract():
            return Faulted(FaultReason.OTHER_CONTRACT, "Client", text)
