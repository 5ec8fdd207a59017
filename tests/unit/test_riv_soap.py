"""Envelopes: what goes in comes out, and what is none is told apart."""

import pytest
from lxml import etree

from shared.riv.namespaces import LOGICAL_ADDRESS, SOAP_12_ENVELOPE, SOAP_ENVELOPE
from shared.riv.soap import (
    NotSoap,
    SoapFault,
    WrongSoapVersion,
    build_envelope,
    fault,
    parse_envelope,
    parse_fault,
)


def envelope(inner: str, namespace: str = SOAP_ENVELOPE) -> etree._Element:
    return etree.fromstring(f'<s:Envelope xmlns:s="{namespace}">{inner}</s:Envelope>')


def test_an_envelope_survives_the_wire() -> None:
    address = etree.Element(LOGICAL_ADDRESS)
    address.text = " SE1-2 "
    document = build_envelope(etree.Element("{urn:x}call"), [address])
    read = parse_envelope(etree.fromstring(document))
    assert read.body.tag == "{urn:x}call"
    assert read.header_text(LOGICAL_ADDRESS) == "SE1-2"
    assert read.header_text("{urn:x}other") == ""
    assert document.startswith(b"<?xml")


def test_a_header_is_not_demanded() -> None:
    assert parse_envelope(envelope("<s:Body><a/></s:Body>")).headers == ()


@pytest.mark.parametrize(
    "root",
    [
        etree.Element("a"),
        etree.Element("Envelope"),
        envelope(""),
        envelope("<s:Header/>"),
        envelope("<s:Body/>"),
        envelope("<s:Body>text</s:Body>"),
        envelope("<s:Body><a/><b/></s:Body>"),
    ],
)
def test_what_is_no_envelope_is_refused(root: etree._Element) -> None:
    with pytest.raises(NotSoap):
        parse_envelope(root)


def test_soap_1_2_is_told_apart() -> None:
    with pytest.raises(WrongSoapVersion):
        parse_envelope(envelope("<s:Body><a/></s:Body>", SOAP_12_ENVELOPE))


def test_a_fault_survives_the_wire() -> None:
    body = parse_envelope(etree.fromstring(fault("Server", "later <&> please"))).body
    assert parse_fault(body) == SoapFault("Server", "later <&> please")
    assert parse_fault(etree.Element("a")) is None
