"""The contract of GetBookingDetails as zeep reads it from our own WSDL.

No running fetcher needs it: zeep and what it imports take 10 MiB. `python -m fetcher.contract`
writes the request that `fetcher.booking_requests` fills in. Tests hold the request and the reading
of replies to what zeep makes of the contract.
"""

from pathlib import Path
from typing import Any

import zeep
from lxml import etree

from shared.riv.contracts import schema_path
from shared.riv.namespaces import (
    ACTOR,
    INTEROPERABILITY_HEADERS,
    LOGICAL_ADDRESS,
    SCHEDULING,
)

REQUEST_FILE = Path(__file__).with_name("get_booking_details.xml")


class GetBookingDetails:
    """Requests and timeslots of the contract."""

    def __init__(self) -> None:
        settings = zeep.Settings(strict=False, forbid_dtd=True, forbid_external=True)
        wsdl = str(schema_path("GetBookingDetails.wsdl"))
        client: Any = zeep.Client(wsdl, settings=settings)  # type: ignore[no-untyped-call]
        self._client = client
        self._timeslot: Any = client.get_type(f"{{{SCHEDULING}}}TimeslotType")
        self.names = tuple(element.qname.text for _, element in self._timeslot.elements)

    def request(self, *, unit: str, patient: str, booking_id: str) -> bytes:
        """The request envelope about `booking_id`, to `unit`, on behalf of `patient`."""
        envelope = self._client.create_message(
            self._client.service,
            "GetBookingDetails",
            healthcare_facility=unit,
            bookingId=booking_id,
            _soapheaders=[_header(LOGICAL_ADDRESS, unit), _actor(patient)],
        )
        return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")

    def read(self, timeslot: etree._Element) -> Any:
        """The values of `timeslot`, whose elements stand in the order of `names`."""
        return self._timeslot.parse_xmlelement(timeslot, self._client.wsdl.types)


def request_template() -> bytes:
    """The request with `{…}` in place of what differs between requests."""
    whole = GetBookingDetails().request(
        unit="{unit}", patient="{patient}", booking_id="{booking_id}"
    )
    return whole + b"\n"


def _actor(patient: str) -> etree._Element:
    element = etree.Element(ACTOR)
    element.append(_header(f"{{{INTEROPERABILITY_HEADERS}}}actorId", patient))
    element.append(_header(f"{{{INTEROPERABILITY_HEADERS}}}actorType", "subject_of_care"))
    return element


def _header(name: str, text: str) -> etree._Element:
    element = etree.Element(name)
    element.text = text
    return element


if __name__ == "__main__":
    REQUEST_FILE.write_bytes(request_template())
