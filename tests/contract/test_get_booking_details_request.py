"""The GetBookingDetails we send is what the schemas say: ours, and the official ones if present."""

from collections.abc import Callable

import pytest
from lxml import etree

from fetcher.booking_requests import request_about
from shared.riv.contracts import schema_path
from shared.riv.soap import SoapEnvelope, parse_envelope
from tests.booking_samples import BOOKING
from tests.contract.schemas import about_official_files, official_file

_OFFICIAL_FILES = {
    "registry.xsd": "itintegration_registry_1.0.xsd",
    "headers.xsd": "interoperability_headers_1.0.xsd",
    "GetBookingDetails.xsd": "GetBookingDetailsResponder_1.1.xsd",
}

PERSONS = ["191212121212", "19900101T123", "20121212A123"]

Schema = Callable[[str], etree.XMLSchema]


def ours(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(file=str(schema_path(name)))


def official(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(file=str(official_file(_OFFICIAL_FILES[name])))


@pytest.mark.parametrize("schema", [ours, pytest.param(official, marks=about_official_files)])
@pytest.mark.parametrize("patient", PERSONS)
def test_headers_and_body_are_valid(schema: Schema, patient: str) -> None:
    sent = envelope(patient)
    address, actor = sent.headers
    schema("registry.xsd").assertValid(detached(address))
    schema("headers.xsd").assertValid(detached(actor))
    schema("GetBookingDetails.xsd").assertValid(detached(sent.body))


def envelope(patient: str) -> SoapEnvelope:
    booking = BOOKING.model_copy(update={"patient": patient})
    return parse_envelope(etree.fromstring(request_about(booking)))


def detached(element: etree._Element) -> etree._Element:
    """As a document of its own, for which alone a schema speaks."""
    return etree.fromstring(etree.tostring(element))
