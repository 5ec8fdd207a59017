"""Writes requests of GetBookingDetails: what zeep wrote by the contract, filled in.

It stands in a file, which `fetcher.contract` writes and a test compares.
"""

import re
from pathlib import Path

from shared.booking.identity import BookingKey

_TEMPLATE = Path(__file__).with_name("get_booking_details.xml").read_text("utf-8").rstrip()
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def request_about(booking: BookingKey) -> bytes:
    """The request envelope about `booking`, to its unit, on behalf of its patient.

    Raises ValueError for a character that XML cannot hold.
    """
    return _TEMPLATE.format(
        unit=_escaped(booking.logical_address),
        patient=_escaped(booking.patient),
        booking_id=_escaped(booking.booking_id),
    ).encode()


def _escaped(text: str) -> str:
    if _NOT_IN_XML.search(text):
        raise ValueError("a part of the booking's key holds a character that XML cannot hold")
    return text.translate(_ESCAPES)
