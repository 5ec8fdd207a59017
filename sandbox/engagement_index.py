"""A small engagement index: takes `Update`, keeps what it says, tells the subscriber what changed.

An update it cannot take is answered with a Fault that names the element, whole: nothing of it is
kept. The answer does not wait for the subscriber.
"""

from collections.abc import Sequence
from uuid import uuid4

from lxml import etree

from sandbox.deliveries import Deliveries, Notification
from sandbox.engagements import Transaction, UpdateRefused, read_update
from sandbox.http_server import Reply
from sandbox.http_wire import Request
from sandbox.index_entries import IndexEntries
from sandbox.soap_service import XML_TYPE, SoapRefusal, read_call
from shared.riv.namespaces import (
    CORRELATION_ID_HEADER,
    LOGICAL_ADDRESS,
    ORIGINAL_CONSUMER_HEADER,
    UPDATE,
    UPDATE_ACTION,
)
from shared.riv.soap import Envelope, build_envelope


class EngagementIndex:
    """The index as a SOAP service (calling it), and as a plain object (`take`)."""

    def __init__(self, entries: IndexEntries, deliveries: Deliveries) -> None:
        self.entries = entries
        self.deliveries = deliveries

    def __call__(self, request: Request) -> Reply:
        try:
            self.take(_read(read_call(request, (UPDATE_ACTION,))), request.headers)
        except SoapRefusal as refusal:
            return refusal.reply()
        return Reply(200, _OK, XML_TYPE)

    def take(self, transactions: Sequence[Transaction], headers: dict[str, str]) -> Notification:
        """Keep them and send on what they changed, if anything. `headers`: of the platform."""
        notification = Notification(
            transactions=self.entries.apply(transactions),
            correlation_id=headers.get(CORRELATION_ID_HEADER) or str(uuid4()),
            consumer=headers.get(ORIGINAL_CONSUMER_HEADER) or transactions[0].source_system,
        )
        if notification.transactions:
            self.deliveries.deliver(notification)
        return notification


def _read(envelope: Envelope) -> list[Transaction]:
    if envelope.body.tag != f"{{{UPDATE}}}Update":
        raise SoapRefusal("the body is not an Update")
    if not envelope.header_text(LOGICAL_ADDRESS):
        raise SoapRefusal("missing or empty: header LogicalAddress")
    try:
        return read_update(envelope.body)
    except UpdateRefused as refusal:
        raise SoapRefusal(str(refusal)) from None


def _build_ok() -> bytes:
    response = etree.Element(f"{{{UPDATE}}}UpdateResponse", nsmap={"up": UPDATE})
    etree.SubElement(response, f"{{{UPDATE}}}ResultCode").text = "OK"
    return build_envelope(response)


_OK = _build_ok()
