"""Reads and answers SOAP calls, for all SOAP services of the sandbox."""

from collections.abc import Collection

from sandbox.http_server import SandboxReply
from sandbox.http_wire import Request
from shared.riv.soap import FaultCode, NotSoap, SoapEnvelope, fault, parse_envelope
from shared.riv.xml import MalformedXml, parse_xml

XML_TYPE = "text/xml; charset=utf-8"

_MAX_BYTES = 16 * 1024 * 1024


class SoapRefusal(Exception):
    """The call is answered with a Fault of this code and text, HTTP 500."""

    def __init__(self, text: str, code: FaultCode = "Client") -> None:
        super().__init__(text)
        self.code = code

    def reply(self) -> SandboxReply:
        return fault_reply(str(self), self.code)


def fault_reply(text: str, code: FaultCode = "Server") -> SandboxReply:
    return SandboxReply(500, fault(code, text), XML_TYPE)


def read_call(request: Request, actions: Collection[str]) -> SoapEnvelope:
    """The envelope of a call. Raises `SoapRefusal` as a strict provider would.

    A SOAPAction may be left out, as scripts do; one that names another operation is refused.
    """
    if request.method != "POST":
        raise SoapRefusal("SOAP is spoken over POST here")
    action = request.headers.get("soapaction", "").strip('"')
    if action and action not in actions:
        raise SoapRefusal("the SOAPAction is not one of this service")
    try:
        return parse_envelope(parse_xml(request.body, max_bytes=_MAX_BYTES))
    except (MalformedXml, NotSoap) as error:
        raise SoapRefusal(str(error)) from None
