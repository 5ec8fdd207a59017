"""Sends `Update` to an index, as a booking system does."""

from collections.abc import Iterable

from lxml import etree

from sandbox.engagements import Transaction
from shared.riv.namespaces import (
    CORRELATION_ID_HEADER,
    ENGAGEMENT_INDEX,
    LOGICAL_ADDRESS,
    ORIGINAL_CONSUMER_HEADER,
    UPDATE,
    UPDATE_ACTION,
)
from shared.riv.soap import build_envelope


def build_update(transactions: Iterable[Transaction], index: str) -> bytes:
    """The request; `index` is the HSA-id of the index that it is addressed to."""
    header = etree.Element(LOGICAL_ADDRESS)
    header.text = index
    names = {"up": UPDATE, "ei": ENGAGEMENT_INDEX}
    body = etree.Element(f"{{{UPDATE}}}Update", nsmap=names)
    body.extend(one.element(UPDATE) for one in transactions)
    return build_envelope(body, [header])


def update_headers(correlation_id: str, consumer: str) -> dict[str, str]:
    """The HTTP headers. The running index refuses an Update without a correlation id."""
    return {
        "Content-Type": "text/xml; charset=UTF-8",
        "SOAPAction": f'"{UPDATE_ACTION}"',
        CORRELATION_ID_HEADER: correlation_id,
        ORIGINAL_CONSUMER_HEADER: consumer,
    }
