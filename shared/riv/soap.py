"""SOAP 1.1 envelopes, document/literal, as RIV-TA basic profile 2.1 uses them."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from shared.riv.namespaces import SOAP_12_ENVELOPE, SOAP_ENVELOPE
from shared.riv.xml import Element

FaultCode = Literal["Client", "Server", "VersionMismatch", "MustUnderstand"]

_ENVELOPE = f"{{{SOAP_ENVELOPE}}}Envelope"
_HEADER = f"{{{SOAP_ENVELOPE}}}Header"
_BODY = f"{{{SOAP_ENVELOPE}}}Body"
_FAULT = f"{{{SOAP_ENVELOPE}}}Fault"
_MUST_UNDERSTAND = f"{{{SOAP_ENVELOPE}}}mustUnderstand"
_ACTOR = f"{{{SOAP_ENVELOPE}}}actor"
#: Actors of header blocks that are addressed to the receiver of the message.
_RECEIVER = ("", "http://schemas.xmlsoap.org/soap/actor/next")


class NotSoap(ValueError):
    """The document is not a SOAP 1.1 envelope with one element in its body."""


class WrongSoapVersion(NotSoap):
    """The document is an envelope of SOAP 1.2, which RIV-TA basic profile 2.1 does not use."""


@dataclass(frozen=True, slots=True)
class SoapEnvelope:
    """The header blocks of an envelope, and the element in its body."""

    headers: tuple[Element, ...]
    body: Element

    def header_text(self, name: str) -> str:
        """The trimmed text of the header element `name` (`{namespace}local`), "" without one."""
        texts = ((header.text or "").strip() for header in self.headers if header.tag == name)
        return next(texts, "")

    def demands_more_than(self, understood: Container[str]) -> bool:
        """Whether a header block that we must understand is not in `understood`.

        Blocks for another actor on the way do not count (SOAP 1.1, sections 4.2.2
        and 4.2.3).
        """
        return any(
            header.get(_MUST_UNDERSTAND, "").strip() in ("1", "true")
            and header.get(_ACTOR, "").strip() in _RECEIVER
            and header.tag not in understood
            for header in self.headers
        )


@dataclass(frozen=True, slots=True)
class SoapFault:
    """A fault as the other side sent it. Its text may hold anything: redact it before logging."""

    code: str  # without prefix: "Server", "Client" …
    text: str


def parse_envelope(root: Element) -> SoapEnvelope:
    """The envelope that `root` is. Raises `NotSoap`, or its subclass `WrongSoapVersion`."""
    if root.tag == f"{{{SOAP_12_ENVELOPE}}}Envelope":
        raise WrongSoapVersion("the envelope is of SOAP 1.2; SOAP 1.1 is spoken here")
    if root.tag != _ENVELOPE:
        raise NotSoap("the root element is not a SOAP 1.1 Envelope")
    header, body = root.find(_HEADER), root.find(_BODY)
    if body is None:
        raise NotSoap("the Envelope has no Body")
    if len(body) != 1:
        raise NotSoap("the Body does not hold exactly one element")
    return SoapEnvelope(tuple(header) if header is not None else (), body[0])


def parse_fault(body: Element) -> SoapFault | None:
    """The fault in `body`, the element of an envelope's body; None when it holds none."""
    if body.tag != _FAULT:
        return None
    code = (body.findtext("faultcode") or "").strip()
    return SoapFault(code.rpartition(":")[2], (body.findtext("faultstring") or "").strip())


def build_envelope(body: Element, headers: Sequence[Element] = ()) -> bytes:
    """An envelope around `body`, UTF-8 with an XML declaration. The elements are moved into it."""
    envelope = etree.Element(_ENVELOPE, nsmap={"soap": SOAP_ENVELOPE})
    if headers:
        etree.SubElement(envelope, _HEADER).extend(headers)
    etree.SubElement(envelope, _BODY).append(body)
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def fault(code: FaultCode, text: str) -> bytes:
    """An envelope with a Fault. `text` is read by others: it must hold nothing about a patient."""
    element = etree.Element(_FAULT, nsmap={"soap": SOAP_ENVELOPE})
    etree.SubElement(element, "faultcode").text = f"soap:{code}"
    etree.SubElement(element, "faultstring").text = text
    return build_envelope(element)
