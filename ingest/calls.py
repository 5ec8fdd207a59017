"""Parses the body of an HTTP request into the call that it makes."""

from dataclasses import dataclass, field

from ingest.engagements import Judged, read_engagements
from shared.riv.namespaces import LOGICAL_ADDRESS, PING, PROCESS_NOTIFICATION
from shared.riv.soap import SoapEnvelope, parse_envelope
from shared.riv.xml import Element, parse_xml

_PROCESS_NOTIFICATION = f"{{{PROCESS_NOTIFICATION}}}ProcessNotification"
_PING = f"{{{PING}}}PingForConfiguration"
_UNDERSTOOD = frozenset({LOGICAL_ADDRESS})


class OtherContract(ValueError):
    """The envelope's body holds an element of a contract that is not provided here."""


class NotUnderstood(ValueError):
    """A header block with mustUnderstand is not supported, so the call may not be carried out."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as received: its body, and what the platform added in HTTP headers."""

    body: bytes = field(repr=False)
    encoding: str | None = None  # of Content-Type; overrides the document's own
    correlation_id: str = ""
    caller: str = ""  # x-rivta-original-serviceconsumer-hsaid


@dataclass(frozen=True, slots=True)
class Ping:
    """A call of PingForConfiguration."""


@dataclass(frozen=True, slots=True)
class NotificationRequest:
    """A call of ProcessNotification. Its engagements are parsed by `engagements`."""

    logical_address: str  # "" when the header is absent
    _element: Element = field(repr=False)

    def engagements(self) -> Judged:
        """Raises `NoEngagements`."""
        return read_engagements(self._element)


def read_call(body: bytes, *, encoding: str | None, max_bytes: int) -> Ping | NotificationRequest:
    """The call in `body`.

    Raises `MalformedXml`, `NotSoap` or `OtherContract` when it is no call of ours, and
    `NotUnderstood` when a header block must be understood and is not.
    """
    root = parse_xml(body, max_bytes=max_bytes, encoding=encoding)
    envelope = parse_envelope(root)
    if envelope.demands_more_than(_UNDERSTOOD):
        raise NotUnderstood("a header block with mustUnderstand is not understood here")
    match envelope.body.tag:
        case tag if tag == _PROCESS_NOTIFICATION:
            return _notification_request(envelope)
        case tag if tag == _PING:
            return Ping()
        case _:
            raise OtherContract("the Body holds neither ProcessNotification nor a ping")


def _notification_request(envelope: SoapEnvelope) -> NotificationRequest:
    return NotificationRequest(envelope.header_text(LOGICAL_ADDRESS), envelope.body)
