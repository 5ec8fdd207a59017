"""The subscriber as the index sees it: an address to which `ProcessNotification` is posted."""

from lxml import etree

from sandbox.deliveries import Answer, Notification
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


def answer_budget(engagements: int) -> float:
    """Seconds the index waits for an answer: the official time and half of it again.

    See docs/domain.md, "Answers and re-sends".
    """
    return (0.1 + 0.02 * engagements) * 1.5


class Subscriber:
    """Posts to `url`, which scripts may change while it runs.

    `floor_seconds` is the least time an answer is waited for. The official time is in the order
    of 180 ms: on a machine that shares its processors with all else it would call healthy answers
    late and so send again for nothing.
    """

    def __init__(self, url: str, logical_address: str, floor_seconds: float) -> None:
        self.url = url
        self._logical_address = logical_address
        self._floor_seconds = floor_seconds

    async def send(self, notification: Notification) -> Answer:
        """Send once. Raises `NoAnswer` when it was not taken, be it by a Fault."""
        headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": f'"{PROCESS_NOTIFICATION_ACTION}"',
            CORRELATION_ID_HEADER: notification.correlation_id,
            ORIGINAL_CONSUMER_HEADER: notification.consumer,
        }
        patience = max(self._floor_seconds, answer_budget(len(notification.transactions)))
        request = build_request(notification, self._logical_address)
        status, body = await post(self.url, request, headers, patience)
        return read_answer(status, body)


def build_request(notification: Notification, logical_address: str) -> bytes:
    header = etree.Element(LOGICAL_ADDRESS, nsmap={"itr": REGISTRY})
    header.text = logical_address
    names = {"pn": PROCESS_NOTIFICATION, "ei": ENGAGEMENT_INDEX}
    body = etree.Element(f"{{{PROCESS_NOTIFICATION}}}ProcessNotification", nsmap=names)
    body.extend(one.element(PROCESS_NOTIFICATION) for one in notification.transactions)
    return build_envelope(body, [header])


def read_answer(status: int, body: bytes) -> Answer:
    """Raises `NoAnswer` for a Fault and for anything that is no answer of the contract."""
    try:
        answer = parse_envelope(parse_xml(body, max_bytes=_MAX_BYTES)).body
    except (MalformedXml, NotSoap) as error:
        raise NoAnswer(f"HTTP {status}: {error}") from None
    if fault := parse_fault(answer):
        raise NoAnswer(f"HTTP {status}: Fault {fault.code}: {fault.text}")
    if status != 200 or answer.tag != _RESPONSE:
        raise NoAnswer(f"HTTP {status}: not a ProcessNotificationResponse")
    return Answer(_text(answer, "ResultCode"), _text(answer, "comment"))


def _text(answer: etree._Element, name: str) -> str:
    return (answer.findtext(f"{{{PROCESS_NOTIFICATION}}}{name}") or "").strip()
