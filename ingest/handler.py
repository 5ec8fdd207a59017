"""The decision of the gateway: taken, refused for good, or a Fault.

The index looks at one thing only: a Fault (or no answer) makes it send again, up to five times,
and then keep the request for people; any other answer is final (docs/domain.md, "Answers and
re-sends"). Hence:

- *ERROR* for a ProcessNotification that can never be taken: it would fail the same each time.
- *Fault, Client* for bytes in which no ProcessNotification can be recognised. The index does not
  write such, so they were spoilt on the way, in which case sending again cures, or are not the
  index's. An ERROR here could lose a sound notification.
- *Fault, Client* for another's address: people must mend the routing and then send again.
- *Fault, Server* for all trouble of ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from threading import Semaphore
from typing import Protocol

from ingest.calls import Call, NotificationRequest, OtherContract, Ping, read_call
from ingest.engagements import TooMany, Unacceptable
from shared.base.clock import Clock
from shared.base.errors import Unavailable
from shared.booking.identity import same_hsa_id
from shared.booking.messages import Engagement, Notification
from shared.riv.soap import FaultCode, NotSoap, WrongSoapVersion
from shared.riv.xml import MalformedXml

#: Documents being read at once. Reading is bound by the processor, and a tree takes many times
#: the memory of its bytes.
_READ_AT_ONCE = 2


class RefusalReason(StrEnum):
    INVALID = "invalid"
    TOO_MANY = "too_many"


class FaultReason(StrEnum):
    MALFORMED_XML = "malformed_xml"
    NOT_SOAP = "not_soap"
    OTHER_CONTRACT = "other_contract"
    WRONG_ADDRESS = "wrong_address"
    QUEUE_UNAVAILABLE = "queue_unavailable"
    BUG = "bug"
    # Told by the edge, before there is a call to handle:
    CALLER_NOT_ALLOWED = "caller_not_allowed"
    CONTENT_TYPE = "content_type"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    OVERLOADED = "overloaded"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Taken:
    """The notification is safe in the queue."""

    notification_id: str
    engagements: int
    addressed: bool  # whether the request carried a LogicalAddress


@dataclass(frozen=True, slots=True)
class Pong:
    """PingForConfiguration is answered."""


@dataclass(frozen=True, slots=True)
class Refused:
    """ResultCode ERROR. `comment` names the element at fault."""

    reason: RefusalReason
    comment: str


@dataclass(frozen=True, slots=True)
class Faulted:
    """A SOAP Fault with this HTTP status."""

    reason: FaultReason
    code: FaultCode
    text: str
    status: int = 500


Answer = Taken | Pong | Refused | Faulted


class Publish(Protocol):
    """Returns when the broker has confirmed; raises `Unavailable` when it did not."""

    def __call__(self, notification: Notification) -> None: ...


class NotificationHandler:
    """Answers one call. Called from several threads at once."""

    def __init__(
        self,
        publish: Publish,
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

    def __call__(self, call: Call) -> Answer:
        try:
            with self._reading:
                request = read_call(
                    call.body, encoding=call.encoding, max_bytes=self._max_body_bytes
                )
                match request:
                    case Ping():
                        return Pong()
                    case NotificationRequest() if self._is_for_another(request):
                        return _wrong_address()
                engagements = request.engagements()
        except Unacceptable as error:
            return _refused(error)
        except (MalformedXml, NotSoap, OtherContract) as error:
            return _not_a_call(error)
        return self._take(call, engagements, addressed=bool(request.logical_address))

    def _is_for_another(self, request: NotificationRequest) -> bool:
        address = request.logical_address
        return bool(
            self._logical_address and address and not same_hsa_id(address, self._logical_address)
        )

    def _take(
        self, call: Call, engagements: tuple[Engagement, ...], *, addressed: bool
    ) -> Taken | Faulted:
        notification = Notification(
            notification_id=self._name(),
            correlation_id=call.correlation_id,
            received_at=self._clock(),
            caller=call.caller,
            engagements=engagements,
        )
        try:
            self._publish(notification)
        except Unavailable:
            text = "The notification could not be stored now; send it again."
            return Faulted(FaultReason.QUEUE_UNAVAILABLE, "Server", text)
        return Taken(notification.notification_id, len(engagements), addressed)


def _wrong_address() -> Faulted:
    text = "The LogicalAddress of the request is not the one of this subscriber."
    return Faulted(FaultReason.WRONG_ADDRESS, "Client", text)


def _refused(error: Unacceptable) -> Refused:
    reason = RefusalReason.TOO_MANY if isinstance(error, TooMany) else RefusalReason.INVALID
    return Refused(reason, str(error))


def _not_a_call(error: MalformedXml | NotSoap | OtherContract) -> Faulted:
    text = f"No call could be read: {error}."
    match error:
        case MalformedXml():
            return Faulted(FaultReason.MALFORMED_XML, "Client", text)
        case WrongSoapVersion():
            return Faulted(FaultReason.NOT_SOAP, "VersionMismatch", text)
        case NotSoap():
            return Faulted(FaultReason.NOT_SOAP, "Client", text)
        case OtherContract():
            return Faulted(FaultReason.OTHER_CONTRACT, "Client", text)
