"""Calls GetBookingDetails of crm:scheduling 1.1: asks a booking system for one booking.

zeep writes the request and reads the reply, by our own WSDL. HTTP and XML parsing are ours: zeep's
lenient mode, which the quirks of producers need, would also accept half a reply.
"""

import re
from copy import deepcopy
from typing import Any

import zeep
from lxml import etree
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay
from tenacity.wait import wait_random_exponential

from fetcher.answers import Answer, CallFailed, FetchRetryReason, ShortTrouble, Timeslot
from fetcher.booking_replies import (
    as_the_contract_has_it,
    open_reply,
    raise_for_fault,
    read_timeslot,
    texts_of,
    timeslot_element,
)
from fetcher.platform import HttpReply, Platform
from shared.base.clock import Clock
from shared.booking.identity import BookingKey
from shared.riv.contracts import schema_path
from shared.riv.namespaces import (
    ACTOR,
    CORRELATION_ID_HEADER,
    GET_BOOKING_DETAILS,
    GET_BOOKING_DETAILS_ACTION,
    INTEROPERABILITY_HEADERS,
    LOGICAL_ADDRESS,
    ORIGINAL_CONSUMER_HEADER,
    SCHEDULING,
)

_TIMESLOT_TYPE = f"{{{SCHEDULING}}}TimeslotType"
_FACILITY = f"{{{GET_BOOKING_DETAILS}}}healthcare_facility"
_BOOKING_ID = f"{{{GET_BOOKING_DETAILS}}}bookingId"
_ACTOR_ID = f"{{{INTEROPERABILITY_HEADERS}}}actorId"
_ACTOR_TYPE = f"{{{INTEROPERABILITY_HEADERS}}}actorType"
_GATEWAY_TROUBLE = {502, 503, 504}
#: What a value from others may hold, to be sent in an HTTP header of ours.
_HEADER_VALUE = re.compile(r"[\x21-\x7e]{1,200}")

_ATTEMPTS = 3
_ATTEMPTS_END_SECONDS = 3


class GetBookingDetailsMessages:
    """Requests and replies of the contract, by zeep. Thread-safe."""

    def __init__(self) -> None:
        settings = zeep.Settings(strict=False, forbid_dtd=True, forbid_external=True)
        wsdl = str(schema_path("GetBookingDetails.wsdl"))
        client: Any = zeep.Client(wsdl, settings=settings)  # type: ignore[no-untyped-call]
        self._envelope: etree._Element = client.create_message(
            client.service,
            "GetBookingDetails",
            healthcare_facility="",
            bookingId="",
            _soapheaders=[etree.Element(LOGICAL_ADDRESS), _actor()],
        )
        self._schema = client.wsdl.types
        self._timeslot: Any = client.get_type(_TIMESLOT_TYPE)
        self._names = [element.qname.text for _, element in self._timeslot.elements]

    def request(self, booking: BookingKey) -> bytes:
        """The request envelope about `booking`, to its unit, on behalf of its patient.

        A copy of one that zeep wrote: writing each with zeep takes ten times as long.
        """
        says = {
            LOGICAL_ADDRESS: booking.logical_address,
            _ACTOR_ID: booking.patient,
            _FACILITY: booking.logical_address,
            _BOOKING_ID: booking.booking_id,
        }
        envelope = deepcopy(self._envelope)
        for element in envelope.iter(*says):
            element.text = says[element.tag]
        return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")

    def timeslot(self, body: etree._Element) -> Timeslot | None:
        """The timeslot in the response `body`; None without one. Raises `CallFailed`."""
        element = timeslot_element(body)
        if element is None:
            return None
        says = texts_of(element, self._names)
        known = as_the_contract_has_it(says, self._names)
        return read_timeslot(self._timeslot.parse_xmlelement(known, self._schema), says)


class BookingsClient:
    """Calls booking systems through the national platform. Thread-safe.

    `consumer` is our own HSA-id, "" to leave it out. A Fault whose text `unknown_booking` matches
    says that the source has no such booking.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        consumer: str,
        unknown_booking: re.Pattern[str],
        max_reply_bytes: int,
        clock: Clock,
    ) -> None:
        self._platform = platform
        self._unknown_booking = unknown_booking
        self._max_reply_bytes = max_reply_bytes
        self._clock = clock
        self._messages = GetBookingDetailsMessages()
        self._headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "User-Agent": "budkavle",
            "SOAPAction": f'"{GET_BOOKING_DETAILS_ACTION}"',
            **({ORIGINAL_CONSUMER_HEADER: consumer} if consumer else {}),
        }
        self._short_troubles = Retrying(
            retry=retry_if_exception_type(ShortTrouble),
            stop=stop_after_attempt(_ATTEMPTS) | stop_after_delay(_ATTEMPTS_END_SECONDS),
            wait=wait_random_exponential(multiplier=0.2, max=1),
            reraise=True,
        )

    def get_booking_details(self, booking: BookingKey, correlation_id: str) -> Answer:
        """The reply. Raises `CallFailed` when there was none, after short failures were retried."""
        request = self._messages.request(booking)
        headers = self._headers
        if _HEADER_VALUE.fullmatch(correlation_id):
            headers = {**headers, CORRELATION_ID_HEADER: correlation_id}
        return self._short_troubles(self._ask, request, headers)

    def _ask(self, request: bytes, headers: dict[str, str]) -> Answer:
        asked_at = self._clock()
        reply = self._platform.post(request, headers)
        return Answer(asked_at, self._read(reply))

    def _read(self, reply: HttpReply) -> Timeslot | None:
        if reply.status in _GATEWAY_TROUBLE:
            raise ShortTrouble(FetchRetryReason.BAD_STATUS, f"HTTP {reply.status}")
        if reply.status not in {200, 500}:
            raise CallFailed(FetchRetryReason.BAD_STATUS, f"HTTP {reply.status}")
        body = open_reply(reply.content, max_bytes=self._max_reply_bytes, encoding=reply.encoding)
        if raise_for_fault(body, self._unknown_booking):
            return None
        if reply.status != 200:
            raise CallFailed(FetchRetryReason.BAD_STATUS, f"HTTP {reply.status} without a Fault")
        return self._messages.timeslot(body)


def _actor() -> etree._Element:
    element = etree.Element(ACTOR)
    etree.SubElement(element, _ACTOR_ID)
    etree.SubElement(element, _ACTOR_TYPE).text = "subject_of_care"
    return element
