"""All booking systems behind the platform: answers `GetBookingDetails`, correctly or with a fault.

The path is ignored: on the platform the logical address alone selects the booking system. Both SOAP
headers and the unit in the body are required, as by the contract.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace

from lxml import etree

from sandbox.bookings import Bookings
from sandbox.calls import Calls, Tally
from sandbox.faults import BookingFault, Fault, FaultBook
from sandbox.http_server import SandboxReply, SendMode
from sandbox.http_wire import Request
from sandbox.soap_service import XML_TYPE, SoapRefusal, fault_reply, read_call
from sandbox.timeslots import render_reply, with_quirks
from shared.booking.identity import same_hsa_id
from shared.riv.namespaces import (
    ACTOR,
    GET_BOOKING_DETAILS,
    GET_BOOKING_DETAILS_ACTION,
    INTEROPERABILITY_HEADERS,
    LOGICAL_ADDRESS,
)
from shared.riv.soap import SoapEnvelope

UNKNOWN_BOOKING = "Unknown booking: the bookingId does not exist"

_ERROR_PAGE = b"<html><head><title>502 Bad Gateway</title><body><h1>502 Bad Gateway</h1><hr></html>"
_REQUEST = f"{{{GET_BOOKING_DETAILS}}}GetBookingDetails"
_FACILITY = f"{{{GET_BOOKING_DETAILS}}}healthcare_facility"
_BOOKING_ID = f"{{{GET_BOOKING_DETAILS}}}bookingId"
_ACTOR_ID = f"{{{INTEROPERABILITY_HEADERS}}}actorId"
_ACTOR_TYPE = f"{{{INTEROPERABILITY_HEADERS}}}actorType"
_ACTOR_TYPES = ("subject_of_care", "subject_of_care_agent")

Struck = dict[str, Fault]


@dataclass(frozen=True, slots=True)
class BookingQuery:
    """The booking that a call asks for, and its unit."""

    logical_address: str
    booking_id: str


class BookingSystems:
    """Answers calls from `bookings`. `unknown_is_fault`: how an unknown booking is answered."""

    def __init__(
        self, bookings: Bookings, faults: FaultBook, calls: Calls, *, unknown_is_fault: bool
    ) -> None:
        self._bookings = bookings
        self._faults = faults
        self._calls = calls
        self._unknown_is_fault = unknown_is_fault

    def __call__(self, request: Request) -> SandboxReply | Awaitable[SandboxReply]:
        try:
            question = read_question(read_call(request, (GET_BOOKING_DETAILS_ACTION,)))
        except SoapRefusal as refusal:
            return refusal.reply()
        struck = self._faults.strike(question.logical_address, question.booking_id)
        tally = self._calls.begin(question.logical_address)
        if struck:
            return self._answer_struck(question, struck, tally)
        try:
            return self._answer(question, struck)
        finally:
            self._calls.end(tally)

    async def _answer_struck(
        self, question: BookingQuery, struck: Struck, tally: Tally
    ) -> SandboxReply:
        try:
            if latency := struck.get(BookingFault.LATENCY):
                await asyncio.sleep(latency.terms.latency_seconds)
            if hang := struck.get(BookingFault.HANG):
                await hang.until_over()
            return self._answer_badly(question, struck)
        finally:
            self._calls.end(tally)

    def _answer_badly(self, question: BookingQuery, struck: Struck) -> SandboxReply:
        if fault := struck.get(BookingFault.FAULT):
            return fault_reply(fault.terms.text)
        if garbage := struck.get(BookingFault.GARBAGE):
            return SandboxReply(garbage.terms.status or 200, _ERROR_PAGE, "text/html")
        return _delivered_badly(self._answer(question, struck), struck)

    def _answer(self, question: BookingQuery, struck: Struck) -> SandboxReply:
        booking = self._bookings.find(question.logical_address, question.booking_id)
        if BookingFault.NO_TIMESLOT in struck:
            return SandboxReply(200, render_reply(None), XML_TYPE)
        if booking is None or BookingFault.UNKNOWN_FAULT in struck:
            return self._answer_unknown(struck)
        if not struck:
            return SandboxReply(200, booking.reply, XML_TYPE)
        return SandboxReply(200, render_reply(with_quirks(booking.fields, struck)), XML_TYPE)

    def _answer_unknown(self, struck: Struck) -> SandboxReply:
        if self._unknown_is_fault or BookingFault.UNKNOWN_FAULT in struck:
            return fault_reply(UNKNOWN_BOOKING, "Client")
        return SandboxReply(200, render_reply(None), XML_TYPE)


def _delivered_badly(reply: SandboxReply, struck: Struck) -> SandboxReply:
    if BookingFault.REFUSE in struck:
        return replace(reply, delivery=SendMode.NOTHING)
    if BookingFault.HANG_UP in struck:
        return replace(reply, delivery=SendMode.HANG_UP)
    if drip := struck.get(BookingFault.SLOW_DRIP):
        return replace(reply, delivery=SendMode.DRIP, drip_seconds=drip.terms.drip_seconds)
    return reply


def read_question(envelope: SoapEnvelope) -> BookingQuery:
    """What the call asks for. Raises `SoapRefusal`, naming all that is missing or wrong."""
    if envelope.body.tag != _REQUEST:
        raise SoapRefusal("the body is not a GetBookingDetails")
    logical_address = envelope.header_text(LOGICAL_ADDRESS)
    asked = _texts(envelope.body)
    needed = {
        "header LogicalAddress": logical_address,
        "header Actor (actorId and actorType)": _names_actor(envelope),
        "healthcare_facility": asked.get(_FACILITY),
        "bookingId": asked.get(_BOOKING_ID),
    }
    if missing := [name for name, text in needed.items() if not text]:
        raise SoapRefusal(f"missing or empty: {', '.join(missing)}")
    if not same_hsa_id(logical_address, asked[_FACILITY]):
        raise SoapRefusal("healthcare_facility is not the LogicalAddress of the header")
    return BookingQuery(logical_address, asked[_BOOKING_ID])


def _names_actor(envelope: SoapEnvelope) -> bool:
    actor = next((header for header in envelope.headers if header.tag == ACTOR), None)
    if actor is None:
        return False
    texts = _texts(actor)
    return bool(texts.get(_ACTOR_ID)) and texts.get(_ACTOR_TYPE) in _ACTOR_TYPES


def _texts(parent: etree._Element) -> dict[str, str]:
    """The trimmed texts of the children by their names."""
    return {child.tag: (child.text or "").strip() for child in parent}
