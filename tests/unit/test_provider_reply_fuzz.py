"""Whatever a provider answers has a meaning, without a crash; above all, nothing unclear counts as
"not taken", which would send a notice twice, and no address of a patient's gets into our words."""

import json
import re
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifier.email_smtp import SmtpSender
from notifier.http_exchange import Exchange
from notifier.results import Accepted, ProviderDown, Rejected, SendResult, TryLater, Uncertain
from notifier.sms_46elks import read_reply
from notifier.smtp_connections import SmtpServer
from notifier.texts import Text
from tests.mutations import spoil

pytestmark = pytest.mark.slow

NOW = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)
MOBILE = "+46701740605"
TO = "tolvan@example.net"

SOUND = b'{"id": "s70df59406a", "status": "created", "to": "+46701740605", "parts": 1}'
BODIES = [
    SOUND,
    b'{"status": "failed", "id": "s1"}',
    b"Not enough credits",
    b"Bad number +46701740605",
    b"[" * 5000,
    b'{"id":' * 3000,
    b'{"id": 1e999999, "cost": -0}',
    b"",
]
PIECES = [b'"id"', b'"status"', b'"failed"', b":", b"{", b"}", b"[", b"null", b'"s1"', b"\\u0000"]
RETRY_AFTER = st.one_of(
    st.sampled_from(
        [
            "9" * 5000,
            "0" * 5000,
            "-1",
            "1e9",
            "٣",
            "Thu, 03 Dec 2026 11:00:30 GMT",
            "Thu, 03 Dec 10000 11:00:30 GMT",
            "Thu, 03 Dec 99999999999999999999 11:00:30 GMT",
            "Thu, 31 Dec 9999 23:59:59 -9999",
            "Fri, 01 Jan 0001 00:00:00 +2359",
            "Thu, 03 Dec 2026 11:00:30 +999999999999",
            "Thu, 03 Dec 2026 11:61:99 GMT",
            ",,,", "a b c d e f", "",
        ]
    ),
    st.text(st.characters(max_codepoint=255), max_size=60),
)  # fmt: skip
STATUS = st.one_of(st.sampled_from([200, 201, 409, 400, 403, 429, 503]), st.integers(200, 999))
ERROR = st.sampled_from(["", "", "", "E_OPERATION_TIMEDOUT", "reply too large"])


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["id", "status", "to", "x"]), inner, max_size=4),
    ),
    max_leaves=8,
)


@settings(max_examples=500, deadline=1000)
@given(JSON, STATUS, RETRY_AFTER, ERROR)
def test_any_json_has_a_meaning(said: object, status: int, retry_after: str, error: str) -> None:
    exchange = Exchange(status, {"retry-after": retry_after}, json.dumps(said).encode(), error)
    assert_sound(exchange, read_reply(exchange, NOW))


@settings(max_examples=500, deadline=1000)
@given(st.sampled_from(BODIES), st.integers(0, 2**32), st.integers(0, 4), STATUS, ERROR)
def test_spoilt_sms_replies_have_a_meaning(
    document: bytes, seed: int, times: int, status: int, error: str
) -> None:
    exchange = Exchange(status, {}, spoil(document, PIECES, seed, times), error)
    assert_sound(exchange, read_reply(exchange, NOW))


@settings(max_examples=200, deadline=1000)
@given(RETRY_AFTER)
@example("9" * 5000)
def test_a_429_always_waits_within_reason(retry_after: str) -> None:
    for status in (429, 503):
        reply = read_reply(Exchange(status, {"retry-after": retry_after}), NOW)
        assert isinstance(reply, ProviderDown)
        assert status == 503 or reply.wait is not None
        assert reply.wait is None or timedelta(0) < reply.wait <= timedelta(hours=1)


def assert_sound(exchange: Exchange, reply: SendResult) -> None:
    assert MOBILE not in str(reply)
    status = exchange.status or 0
    match reply:
        case Accepted():
            assert status == 409 or (200 <= status < 300 and not exchange.error)
        case Uncertain():
            assert not 400 <= status < 500
        case Rejected(detail):
            assert 400 <= status < 500 or (status < 300 and detail == "failed at once")
        case ProviderDown() | TryLater():
            assert 300 <= status < 500 or status == 503


class Peer:
    """A mail server's end of a connection: these bytes, whatever it is told."""

    def __init__(self, says: bytes, piece: int) -> None:
        self._says = says
        self._piece = piece
        self.heard = b""

    def settimeout(self, _seconds: float) -> None: ...

    def sendall(self, data: bytes) -> None:
        self.heard += data

    def recv(self, size: int) -> bytes:
        size = min(size, self._piece)
        piece, self._says = self._says[:size], self._says[size:]
        return piece

    def close(self) -> None: ...


DIALOGUE = b"220 hi\r\n250-hi\r\n250 SIZE\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 taken\r\n"
SMTP_PIECES = [b"220 ", b"250 ", b"250-", b"354 ", b"421 ", b"550 ", b"450 ", b"\r\n", b"\n", b"25"]


@settings(max_examples=600, deadline=1000)
@given(st.integers(0, 2**32), st.integers(0, 5), st.sampled_from([1, 7, 8, 10, 4096]))
def test_spoilt_dialogues_have_a_meaning(seed: int, times: int, piece: int) -> None:
    assert_mail_sound(spoil(DIALOGUE, SMTP_PIECES, seed, times), piece)


@settings(max_examples=300, deadline=1000)
@given(st.binary(max_size=300), st.sampled_from([1, 4096]))
def test_any_bytes_have_a_meaning(says: bytes, piece: int) -> None:
    assert_mail_sound(says, piece)


def assert_mail_sound(says: bytes, piece: int) -> None:
    """Only after the whole mail is anything uncertain, and only a code of three digits is not."""
    peer = Peer(says, piece)
    with mock.patch("notifier.smtp_connections.connect", return_value=peer):
        reply = SmtpSender(
            SmtpServer("smtp://mail.example.org"),
            "no-reply@example.org",
            subject=Text("s", "s"),
            body=Text("b", "b"),
            clock=lambda: NOW,
        ).send("n", TO)
    assert TO not in str(reply)
    sent = b"\r\n.\r\n" in peer.heard
    match reply:
        case Accepted():
            assert sent
            assert re.search(rb"^2\d\d(?!\d)", says, re.MULTILINE)
        case Uncertain():
            assert sent
        case Rejected() | TryLater():
            assert re.search(rb"^[45]\d\d(?!\d)", says, re.MULTILINE)
        case ProviderDown(detail):
            assert not sent or re.search(r"421|530", detail)
