"""The subscriber as the index sees it: an address to which `ProcessNotification` is posted."""

import time
from uuid import uuid4

from lxml import etree

from sandbox.deliveries import OutgoingNotification, SubscriberAnswer
from sandbox.faults import FaultBook, IndexFault
from sandbox.http_client import NoAnswer, post
from shared.riv.namespaces import (
    CORRELATION_ID_HEADER,
    ENGAGEMENT_INDEX,
    LOGICAL_ADDRESS,
    ORIGINAL_CONSUMER_HEADER,
    PROCESS_NOTIFICATION,
    PROCESS_NOTIFICATION_ACTION,
    REGISTRY,
)
from shared.riv.soap import NotSoap, build_envelope, parse_envelope, parse_fault
from shared.riv.xml import MalformedXml, parse_xml

_RESPONSE = f"{{{PROCESS_NOTIFICATION}}}ProcessNotificationResponse"
_MAX_BYTES = 1024 * 1024
#: A body of at least so many bytes is sent in chunks, as by Apache CXF.
_CHUNKED_ABOVE = 4096

#: The target of faults between the index and its subscriber.
TARGET = "index"


class Subscriber:
    """Posts to `url`, which scripts may change. An answer may take `patience_seconds`."""

    def __init__(
        self, url: str, logical_address: str, patience_seconds: float, faults: FaultBook
    ) -> None:
        self.url = url
        self._logical_address = logical_address
        self._patience_seconds = patience_seconds
        self._faults = faults

    async def send(self, notification: OutgoingNotification) -> SubscriberAnswer:
        """Send once. Raises `NoAnswer` when it was not accepted, also for a Fault."""
        headers = {
            "Content-Type": "text/xml; charset=UTF-8",
            "SOAPAction": f'"{PROCESS_NOTIFICATION_ACTION}"',
            CORRELATION_ID_HEADER: notification.correlation_id,
            ORIGINAL_CONSUMER_HEADER: notification.consumer,
            **self._queue_headers(),
        }
        request = build_request(notification, self._logical_address)
        chunked = len(request) > _CHUNKED_ABOVE
        status, body = await post(
            self.url, request, headers, self._patience_seconds, chunked=chunked
        )
        answer = read_answer(status, body)
        if IndexFault.ANSWER_LOST in self._faults.strike(TARGET):
            raise NoAnswer("the answer was lost, by a fault of the sandbox")
        return answer

    def _queue_headers(self) -> dict[str, str]:
        """The headers of the index's JMS queue, which it passes on."""
        queue = f"EI.NOTIFICATION.{self._logical_address}"
        return {
            "JMSDeliveryMode": "2",
            "JMSDestination": f"queue://{queue}",
            "JMSExpiration": "0",
            "JMSMessageID": f"ID:sandbox-{uuid4()}",
            "JMSPriority": "4",
            "JMSRedelivered": "false",
            "JMSTimestamp": str(time.time_ns() // 1_000_000),
            "NotificationQueueName": queue,
        }


def build_request(notification: OutgoingNotification, logical_address: str) -> bytes:
    """With the default namespace on the engagement's elements, as the index writes it."""
    header = etree.Element(LOGICAL_ADDRESS, nsmap={"ns3": REGISTRY})
    header.text = logical_address
    names = {None: ENGAGEMENT_INDEX, "ns2": PROCESS_NOTIFICATION, "ns3": REGISTRY}
    body = etree.Element(f"{{{PROCESS_NOTIFICATION}}}ProcessNotification", nsmap=names)  # type: ignore[arg-type]
    body.extend(one.element(PROCESS_NOTIFICATION) for one in notification.transactions)
    return build_envelope(body, [header])


def read_answer(status: int, body: bytes) -> SubscriberAnswer:
    """The answer. Raises `NoAnswer` for a Fault and for anything outside the contract."""
    try:
        answer = parse_envelope(parse_xml(body, max_bytes=_MAX_BYTES)).body
    except (MalformedXml, NotSoap) as error:
        raise NoAnswer(f"HTTP {status}: {error}") from None
    if fault := parse_fault(answer):
        raise NoAnswer(f"HTTP {status}: Fault {fault.code}: {fault.text}")
    if status != 200 or answer.tag != _RESPONSE:
        raise NoAnswer(f"HTTP {status}: not a ProcessNotificationResponse")
    return SubscriberAnswer(_text(answer, "ResultCode"), _text(answer, "comment"))


def _text(answer: etree._Element, name: str) -> str:
    return (answer.findtext(f"{{{PROCESS_NOTIFICATION}}}{name}") or "").strip()
