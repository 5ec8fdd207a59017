"""The engagement index: accepts `Update`, stores its entries, notifies the subscriber of changes.

It behaves as the running national index (3.7). An Update of one engagement waits in a window and is
merged with others; an Update of several is sent by itself, so it may overtake the merged ones. An
Update that cannot be accepted is answered with a Fault that names the element, and nothing of it is
kept. The answer does not wait for the subscriber.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from lxml import etree

from sandbox.deliveries import Deliveries, OutgoingNotification
from sandbox.engagements import Transaction, UpdateRefused, read_update
from sandbox.http_server import SandboxReply
from sandbox.http_wire import Request
from sandbox.index_entries import IndexEntries
from sandbox.merging import MergeWindow
from sandbox.soap_service import XML_TYPE, SoapRefusal, read_call
from shared.riv.namespaces import (
    CORRELATION_ID_HEADER,
    LOGICAL_ADDRESS,
    ORIGINAL_CONSUMER_HEADER,
    UPDATE,
    UPDATE_ACTION,
)
from shared.riv.soap import SoapEnvelope, build_envelope


@dataclass(frozen=True, slots=True)
class Merging:
    """Which Updates are merged, and how long they wait; see `sandbox.merging`."""

    quiet_seconds: float
    most_calls: int
    most_engagements: int  # of an Update that is merged


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """The result of an Update. `changed`: how many of its engagements will be notified."""

    changed: int
    correlation_id: str


class EngagementIndex:
    """The index as a SOAP service (calling it), and as a plain object (`take`)."""

    def __init__(self, entries: IndexEntries, deliveries: Deliveries, merging: Merging) -> None:
        self.entries = entries
        self.deliveries = deliveries
        self.updates = 0  # taken so far
        self._most_engagements = merging.most_engagements
        self._window = MergeWindow(
            self._process, quiet_seconds=merging.quiet_seconds, most_calls=merging.most_calls
        )

    def __call__(self, request: Request) -> SandboxReply:
        try:
            self.take(_read(read_call(request, (UPDATE_ACTION,))), request.headers)
        except SoapRefusal as refusal:
            return refusal.reply()
        return SandboxReply(200, _OK, XML_TYPE)

    @property
    def pending(self) -> int:
        """Updates in the window and notifications being sent."""
        return self._window.waiting + self.deliveries.pending

    def take(self, transactions: Sequence[Transaction], headers: dict[str, str]) -> UpdateResult:
        """Store them and send on what they changed, if anything. `headers`: of the platform."""
        self.updates += 1
        update = OutgoingNotification(
            transactions=[self.entries.owned(one) for one in transactions],
            correlation_id=headers.get(CORRELATION_ID_HEADER) or str(uuid4()),
            consumer=headers.get(ORIGINAL_CONSUMER_HEADER) or transactions[0].source_system,
        )
        changing = {one.key for one in update.transactions if self.entries.changes(one)}
        if len(transactions) > self._most_engagements:
            self._process(update)
            return UpdateResult(len(changing), update.correlation_id)
        kept = self._window.add(update)
        return UpdateResult(sum(one.key in changing for one in kept), update.correlation_id)

    async def stop(self) -> None:
        self._window.cancel()
        await self.deliveries.stop()

    def _process(self, update: OutgoingNotification) -> None:
        changed = self.entries.apply(update.transactions)
        if changed:
            self.deliveries.deliver(replace(update, transactions=changed))


def _read(envelope: SoapEnvelope) -> list[Transaction]:
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
