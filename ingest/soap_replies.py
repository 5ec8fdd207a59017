"""Answers as SOAP over HTTP."""

from dataclasses import dataclass, field

from lxml import etree

from ingest.handler import Answer, Faulted, NothingTaken, Pong, Taken
from shared import __version__
from shared.base.clock import Clock
from shared.booking.times import wall_text
from shared.riv.namespaces import PING, PROCESS_NOTIFICATION
from shared.riv.soap import build_envelope, fault

_RETRY_AFTER_SECONDS = "2"


@dataclass(frozen=True, slots=True)
class SoapReply:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def reply_to(answer: Answer, clock: Clock) -> SoapReply:
    match answer:
        case Taken():
            return SoapReply(200, _result("INFO", answer.comment) if answer.refused else _OK)
        case NothingTaken():
            return SoapReply(200, _result("ERROR", answer.comment))
        case Pong():
            return SoapReply(200, _pong(wall_text(clock())))
        case Faulted(_, code, text, status):
            return SoapReply(status, fault(code, text), _fault_headers(status))


def _fault_headers(status: int) -> dict[str, str]:
    """Headers that an HTTP client needs with 408 and 503."""
    match status:
        case 503:
            return {"Retry-After": _RETRY_AFTER_SECONDS}
        case 408:
            return {"Connection": "close"}
        case _:
            return {}


def _result(code: str, comment: str = "") -> bytes:
    response = etree.Element(
        f"{{{PROCESS_NOTIFICATION}}}ProcessNotificationResponse", nsmap={"ei": PROCESS_NOTIFICATION}
    )
    etree.SubElement(response, f"{{{PROCESS_NOTIFICATION}}}ResultCode").text = code
    if comment:
        etree.SubElement(response, f"{{{PROCESS_NOTIFICATION}}}comment").text = comment
    return build_envelope(response)


def _pong(now: str) -> bytes:
    response = etree.Element(f"{{{PING}}}PingForConfigurationResponse", nsmap={"mon": PING})
    etree.SubElement(response, f"{{{PING}}}version").text = __version__
    etree.SubElement(response, f"{{{PING}}}pingDateTime").text = now
    return build_envelope(response)


_OK = _result("OK")
