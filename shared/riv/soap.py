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
#: Whom a header block without an actor, or with this one, is addressed to: whoever receives it.
_RECEIVER = ("", "http://schemas.xmlsoap.org/soap/actor/next")


class NotSoap(ValueError):
    """The document is no SOAP 1.1 envelope with one element in its body."""


class WrongSoapVersion(NotSoap):
    """The document is an envelope of SOAP 1.2, which RIV-TA basic profile 2.1 does not use."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What an envelope holds: the elements of its header, and the one element of its body."""

    headers: tuple[Element, ...]
    body: Element

    def header_text(self, name: str) -> str:
        """The trimmed text of the header element `name` (`{namespace}local`), "" without one."""
        texts = ((header.text or "").strip() for header in self.headers if header.tag == name)
        return next(texts, "")

    def demands_more_than(self, understood: Container[str]) -> bool:
        """Whether a header block must be understood by us and is none of `understood`.

        Blocks for another actor on the way are not ours to understand (SOAP 1.1, sections 4.2.2
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
    """A fault as the other side sent it. Its text may hold anything: not for logs as it is."""

    code: str  # without prefix: "Server", "Client" …
    text: str


def parse_envelope(root: Element) -> Envelope:
    """Take `root` for a SOAP 1.1 envelope. Raises `NotSoap`, or of it `WrongSoapVersion`."""
    if root.tag == f"{{{SOAP_12_ENVELOPE}}}Envelope":
        raise WrongSoapVersion("the envelope is of SOAP 1.2; SOAP 1.1 is spoken here")
    if root.tag != _ENVELOPE:
        raise NotSoap("the root element is not a SOAP 1.1 Envelope")
    header, body = root.find(_HEADER), root.find(_BODY)
    if body is None:
        raise NotSoap("the Envelope has no Body")
    if len(body) != 1:
        raise NotSoap("the Body does not hold exactly one element")
    return Envelope(tuple(header) if header is not None else (), body[0])


def parse_fault(body: Element) -> SoapFault | None:
    """The fault that `body` (the one element of an envelope's body) is; None when it is none."""
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
    """An envelope with a Fault. `text` is read by strangers: nothing of a patient's in it."""
    element = etree.Element(_FAULT, nsmap={"soap": SOAP_ENVELOPE})
    etree.SubElement(element, "faultcode").text = f"soap:{code}"
    etree.SubElement(element, "faultstring").text = text
    return build_envelope(element)
