"""Documents made to hurt cost a second of processor time and a bounded amount of memory at most.

Each is as large as its reader takes. A slow parser is a way to stop the relay: a source, or whoever
gets a request past TLS, would need one document a minute.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from fetcher.answers import CallFailed
from fetcher.booking_replies import open_reply, raise_for_fault, timeslot_of
from fetcher.settings import UNKNOWN_BOOKING_FAULT
from ingest.calls import OtherContract, Ping, read_call
from ingest.engagements import NoEngagements
from shared.riv.soap import NotSoap, fault
from shared.riv.xml import MalformedXml
from tests.booking_samples import TIMESLOT, reply, response
from tests.notifications import engagement, envelope, transaction

pytestmark = pytest.mark.slow

#: Generous: what is refused for its cost takes minutes. The slowest here takes a third of it.
SECONDS = 3.0

REQUEST_BYTES = 5 * 1024 * 1024
REPLY_BYTES = 1024 * 1024

UNKNOWN = re.compile(UNKNOWN_BOOKING_FAULT)


def filled(unit: Callable[[int], str], size: int) -> str:
    """`unit` of 0, 1, 2, … one after the other, up to `size` bytes."""
    return "".join(unit(number) for number in range(size // len(unit(999_999))))


def attributes(size: int) -> str:
    return filled(lambda number: f'a{number}="" ', size)


def declarations(size: int) -> str:
    return filled(lambda number: f'xmlns:n{number}="u{number}" ', size)


def children(size: int) -> str:
    return filled(lambda number: f"<x{number}/>", size)


def names(size: int) -> str:
    return filled(lambda number: f'<x xmlns="u{number}"/>', size)


ROOM = 4096


def request_with(inside: str = "", tag: str = "") -> bytes:
    """A sound request with more in its engagement, and in the tag of it."""
    document = envelope(transaction(engagement())).decode()
    return document.replace("<e:engagement>", f"<e:engagement {tag}>{inside}").encode()


REQUESTS = {
    "attributes": lambda: request_with(tag=attributes(REQUEST_BYTES - ROOM)),
    "namespaces": lambda: request_with(tag=declarations(REQUEST_BYTES - ROOM)),
    "elements": lambda: request_with(children(REQUEST_BYTES - ROOM)),
    "elements of ours": lambda: request_with("<e:owner/>" * ((REQUEST_BYTES - ROOM) // 10)),
    "elements in as many namespaces": lambda: request_with(names(REQUEST_BYTES - ROOM)),
    "a value": lambda: request_with(f"<e:owner>{'x' * (REQUEST_BYTES - ROOM)}</e:owner>"),
    "an attribute": lambda: request_with(tag=f'a="{"x" * (REQUEST_BYTES - ROOM)}"'),
    "comments": lambda: request_with("<!---->" * ((REQUEST_BYTES - ROOM) // 7)),
    "CDATA": lambda: request_with("<![CDATA[x]]>" * ((REQUEST_BYTES - ROOM) // 13)),
    "characters by number": lambda: request_with("&#38;" * ((REQUEST_BYTES - ROOM) // 5)),
    "depth": lambda: request_with("<x>" * ((REQUEST_BYTES - ROOM) // 7)),
    "transactions": lambda: envelope("<n:engagementTransaction/>" * 190_000),
    "headers": lambda: request_with().replace(
        b"<s:Header>", b"<s:Header>" + children(REQUEST_BYTES - ROOM).encode()
    ),
}
REPLIES = {
    **{
        f"{filling.__name__} within the timeslot": (
            lambda filling=filling: reply(filling(REPLY_BYTES - ROOM) + TIMESLOT)
        )
        for filling in (children, names)
    },
    **{
        f"{filling.__name__} of the timeslot": (
            lambda filling=filling: response(
                f"<r:timeslotDetail {filling(REPLY_BYTES - ROOM)}>{TIMESLOT}</r:timeslotDetail>"
            )
        )
        for filling in (attributes, declarations)
    },
    "elements the contract names": lambda: reply(TIMESLOT + "<c:purpose/>" * 80_000),
    "elements it has elsewhere": lambda: reply("<c:x/>" * 140_000 + TIMESLOT),
    "elements beside the timeslot": lambda: response(
        f"<r:timeslotDetail>{TIMESLOT}</r:timeslotDetail>{'<r:y/>' * 140_000}"
    ),
    "a purpose": lambda: reply(TIMESLOT.replace("Välkommen", "x" * (REPLY_BYTES - ROOM))),
    "a Fault of words": lambda: fault("Server", "booking " * 120_000),
    "a Fault of digits": lambda: fault("Server", f"booking {'1' * 1_000_000}"),
    "a Fault of dots": lambda: fault("Server", f"booking id: {'1.' * 500_000}"),
}


def read_request(document: bytes) -> None:
    assert len(document) <= REQUEST_BYTES
    try:
        call = read_call(document, encoding=None, max_bytes=REQUEST_BYTES)
        assert not isinstance(call, Ping)
        call.engagements()
    except (MalformedXml, NotSoap, OtherContract, NoEngagements):
        pass


def read_reply(document: bytes) -> None:
    try:
        body = open_reply(document, max_bytes=REPLY_BYTES, encoding=None)
        if not raise_for_fault(body, UNKNOWN):
            timeslot_of(body)
    except CallFailed:
        pass


def seconds_of(read: Callable[[bytes], None], document: bytes) -> float:
    started = time.process_time()
    read(document)
    return time.process_time() - started


@pytest.mark.parametrize("made", REQUESTS.values(), ids=REQUESTS.keys())
def test_no_request_keeps_the_gateway_busy(made: Callable[[], bytes]) -> None:
    assert seconds_of(read_request, made()) < SECONDS


@pytest.mark.parametrize("made", REPLIES.values(), ids=REPLIES.keys())
def test_no_reply_keeps_the_fetcher_busy(made: Callable[[], bytes]) -> None:
    assert seconds_of(read_reply, made()) < SECONDS


_ALL_OF_THEM = """
import resource
from tests.unit import test_parser_limits as limits
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
for made in limits.REQUESTS.values(): limits.read_request(made())
for made in limits.REPLIES.values(): limits.read_reply(made())
print(peak() - before)
"""


def test_no_document_takes_much_memory() -> None:
    """Of a process of its own: a tree takes many times the memory of its bytes, but not all."""
    told = subprocess.run(
        [sys.executable, "-c", _ALL_OF_THEM], capture_output=True, text=True, check=True, timeout=90
    )
    assert int(told.stdout) < 400, "MiB above what the modules take"
