"""Calls GetBookingDetails of crm:scheduling 1.1: asks a booking system for one booking."""

import re
import time
from collections.abc import Callable, Sequence

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay
from tenacity.wait import wait_random_exponential

from fetcher.answers import Answer, CallFailed, FetchRetryReason, ShortTrouble, Timeslot
from fetcher.booking_replies import open_reply, raise_for_fault, timeslot_of
from fetcher.booking_requests import request_about
from fetcher.platform import HttpReply, Platform
from shared.base.clock import Clock
from shared.booking.identity import BookingKey
from shared.riv.namespaces import (
    CORRELATION_ID_HEADER,
    GET_BOOKING_DETAILS_ACTION,
    ORIGINAL_CONSUMER_HEADER,
)

_GATEWAY_TROUBLE = {502, 503, 504}
#: What a value from others may hold, to be sent in an HTTP header of ours.
_HEADER_VALUE = re.compile(r"[\x21-\x7e]{1,200}")

_ATTEMPTS = 3
_ATTEMPTS_END_SECONDS = 3


class BookingsClient:
    """Calls booking systems through the national platform. Thread-safe.

    `consumer` is our own HSA-id, "" to leave it out. A Fault whose text `unknown_booking` matches
    says that the source has no such booking. `on_forbidden` gets the HSA-id of a source whose reply
    could be read only without characters that XML forbids.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        consumer: str,
        unknown_booking: re.Pattern[str],
        max_reply_bytes: int,
        clock: Clock,
        on_forbidden: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._platform = platform
        self._unknown_booking = unknown_booking
        self._max_reply_bytes = max_reply_bytes
        self._clock = clock
        self._on_forbidden = on_forbidden
        self._headers = [
            b"Content-Type: text/xml; charset=utf-8",
            b"User-Agent: budkavle",
            f'SOAPAction: "{GET_BOOKING_DETAILS_ACTION}"'.encode(),
            *([f"{ORIGINAL_CONSUMER_HEADER}: {consumer}".encode("latin-1")] if consumer else []),
        ]

    def get_booking_details(self, booking: BookingKey, correlation_id: str) -> Answer:
        """The reply. Raises `CallFailed` when there was none, after short failures were retried."""
        request, headers = request_about(booking), self._headers_of(correlation_id)
        source = booking.source_system
        started = time.monotonic()
        try:
            return self._ask(request, headers, source)
        except ShortTrouble as trouble:
            left = _ATTEMPTS_END_SECONDS - (time.monotonic() - started)
            return _repeated(lambda: self._ask(request, headers, source), trouble, left)

    def _headers_of(self, correlation_id: str) -> Sequence[bytes]:
        if not _HEADER_VALUE.fullmatch(correlation_id):
            return self._headers
        return [*self._headers, f"{CORRELATION_ID_HEADER}: {correlation_id}".encode()]

    def _ask(self, request: bytes, headers: Sequence[bytes], source: str) -> Answer:
        asked_at = self._clock()
        reply = self._platform.post(request, headers)
        return Answer(asked_at, self._read(reply, source))

    def _read(self, reply: HttpReply, source: str) -> Timeslot | None:
        if reply.status in _GATEWAY_TROUBLE:
            raise ShortTrouble(FetchRetryReason.BAD_STATUS, f"HTTP {reply.status}")
        if reply.status not in {200, 500}:
            raise CallFailed(FetchRetryReason.BAD_STATUS, f"HTTP {reply.status}")
        body = open_reply(
            reply.content,
            max_bytes=self._max_reply_bytes,
            encoding=reply.encoding,
            on_forbidden=lambda: self._on_forbidden(source),
        )
        if raise_for_fault(body, self._unknown_booking):
            return None
        if reply.status != 200:
            raise CallFailed(FetchRetryReason.BAD_STATUS, f"HTTP {reply.status} without a Fault")
        return timeslot_of(body)


def _repeated(ask: Callable[[], Answer], trouble: ShortTrouble, seconds: float) -> Answer:
    """What `ask` gives after a first attempt ended in `trouble`, within `seconds` from now.

    tenacity is used only then: around a call that succeeds it takes 40 µs. It counts that attempt.
    """
    attempts = iter([_raising(trouble)])
    again = Retrying(
        retry=retry_if_exception_type(ShortTrouble),
        stop=stop_after_attempt(_ATTEMPTS) | stop_after_delay(max(0, seconds)),
        wait=wait_random_exponential(multiplier=0.2, max=1),
        reraise=True,
    )
    return again(lambda: next(attempts, ask)())


def _raising(trouble: ShortTrouble) -> Callable[[], Answer]:
    def attempt() -> Answer:
        raise trouble

    return attempt
