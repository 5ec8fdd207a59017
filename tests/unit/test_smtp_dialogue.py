"""Every reply a mail server can give, at every step of the dialogue: what it means."""

import ssl
from datetime import UTC, datetime
from enum import IntEnum

import pytest

from notifier.email_smtp import SmtpSender
from notifier.results import Accepted, ProviderDown, Rejected, SendResult, TryLater, Uncertain
from notifier.smtp_client import MAX_REPLY_BYTES
from notifier.smtp_connections import SmtpServer
from notifier.texts import Text

NOW = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)
TO = "tolvan@example.net"


class Step(IntEnum):
    GREETING = 0
    EHLO = 1
    MAIL = 2
    RCPT = 3
    DATA = 4
    DOT = 5


AS_ASKED = [b"220 hi", b"250 hi", b"250 ok", b"250 ok", b"354 go on", b"250 taken"]
CUT, SILENCE = b"cut", b"silence"

#: Replies that say nothing clear.
ODD = {
    "empty": b"",
    "no code": b"taken, thank you",
    "two digits": b"25",
    "two digits and a space": b"25 ok",
    "four digits": b"2500 ok",
    "below the codes": b"199 ok",
    "above the codes": b"600 no",
    "no space": b"250ok",
    "in two minds": b"250-ok\r\n550 no",
    "without end": b"250-ok\r\n" * MAX_REPLY_BYTES,
    "one line without end": b"250 " + b"x" * MAX_REPLY_BYTES,
    "cut": CUT,
    "silence": SILENCE,
    "cut in the line": b"250 o" + CUT,
    "cut between lines": b"250-ok\r\n" + CUT,
}


class ScriptedServer:
    """A connection whose other end answers each command with the next of `replies`."""

    def __init__(self, replies: list[bytes]) -> None:
        self._replies = iter(replies)
        self._coming = self._next()
        self.heard = b""

    def _next(self) -> bytes:
        reply = next(self._replies, CUT)
        return reply if reply in {CUT, SILENCE} or reply.endswith(CUT) else reply + b"\r\n"

    def settimeout(self, seconds: float) -> None:
        assert 0 < seconds <= 15

    def sendall(self, data: bytes) -> None:
        self.heard += data
        self._coming = self._next()

    def recv(self, size: int) -> bytes:
        if self._coming == SILENCE:
            raise TimeoutError
        if self._coming == CUT:
            return b""
        whole = self._coming.removesuffix(CUT)
        piece, self._coming = whole[:size], self._coming[min(size, len(whole)) :] or CUT
        return piece

    def close(self) -> None: ...


def talk(monkeypatch: pytest.MonkeyPatch, replies: list[bytes]) -> tuple[SendResult, bytes]:
    """What came of a mail to a server that gives these replies, and what it heard."""
    server = ScriptedServer(replies)
    monkeypatch.setattr("notifier.smtp_connections.connect", lambda *_, **__: server)
    sender = SmtpSender(
        SmtpServer("smtp://mail.example.org"),
        "no-reply@example.org",
        subject=Text("Nytt meddelande", "Flera"),
        body=Text("Hej!\n.\nSlut", "Flera"),
        clock=lambda: NOW,
    )
    return sender.send("abcdefghij", TO), server.heard


def with_reply(step: Step, reply: bytes) -> list[bytes]:
    """As asked up to `step`; from there on only `reply`, and then as asked again."""
    replies = [*AS_ASKED[:step], reply, *AS_ASKED[step + 1 :]]
    helo_follows = step is Step.EHLO and not reply.startswith(b"250 ")
    return [*replies[:2], reply, *replies[2:]] if helo_follows else replies


def kind_of(step: Step, code: int) -> type[SendResult]:
    asked = {Step.GREETING: [220], Step.EHLO: [250], Step.DATA: [354]}
    if code in asked.get(step, range(200, 300)):
        return Accepted
    if step < Step.RCPT or code in {421, 530}:
        return ProviderDown
    if 400 <= code < 500:
        return TryLater
    if 500 <= code < 600:
        return Rejected
    return Uncertain if step is Step.DOT else ProviderDown


@pytest.mark.parametrize("step", Step)
def test_every_code_at_every_step(monkeypatch: pytest.MonkeyPatch, step: Step) -> None:
    for code in range(200, 600):
        reply, heard = talk(monkeypatch, with_reply(step, b"%d 2.0.0 text" % code))
        assert type(reply) is kind_of(step, code), (step, code)
        sent = b"\r\n.\r\n" in heard
        assert sent is (step is Step.DOT or isinstance(reply, Accepted)), (step, code)


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_what_says_nothing_clear(monkeypatch: pytest.MonkeyPatch, step: Step, odd: bytes) -> None:
    reply, heard = talk(monkeypatch, with_reply(step, odd))
    assert isinstance(reply, Uncertain if step is Step.DOT else ProviderDown)
    assert (b"\r\n.\r\n" in heard) is (step is Step.DOT)
    assert TO not in str(reply)


@pytest.mark.parametrize("step", list(Step)[:-1])
def test_an_answer_to_what_was_not_asked_is_none(
    monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    replies = list(AS_ASKED)
    replies[step] += b"\r\n250 taken"
    reply, heard = talk(monkeypatch, replies)
    assert isinstance(reply, ProviderDown)
    assert b"\r\n.\r\n" not in heard


def test_a_line_that_is_a_dot_does_not_end_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    reply, heard = talk(monkeypatch, AS_ASKED)
    assert reply == Accepted()
    assert heard.endswith(b"Hej!\r\n..\r\nSlut\r\n.\r\n")
    assert heard.count(b"\r\n.\r\n") == 1


def test_a_challenge_at_login_that_cannot_be_read_sent_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replies = [b"220 hi", b"250-hi\r\n250 AUTH LOGIN", *([b"334 \xff!"] * 9)]
    server = ScriptedServer(replies)
    monkeypatch.setattr("notifier.smtp_connections.connect", lambda *_, **__: server)
    sender = SmtpSender(
        SmtpServer("smtp://mail.example.org", "us", "secret"),
        "no-reply@example.org",
        subject=Text("s", "s"),
        body=Text("b", "b"),
        clock=lambda: NOW,
    )
    assert isinstance(sender.send("n", TO), ProviderDown)


def test_what_is_said_in_clear_does_not_count_as_said_under_tls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replies = [b"220 hi", b"250-hi\r\n250 STARTTLS", b"220 go\r\n250 injected"]
    server = ScriptedServer(replies)
    monkeypatch.setattr("notifier.smtp_connections.connect", lambda *_, **__: server)
    sender = SmtpSender(
        SmtpServer("smtp://mail.example.org", tls=ssl.create_default_context()),
        "no-reply@example.org",
        subject=Text("s", "s"),
        body=Text("b", "b"),
        clock=lambda: NOW,
    )
    assert sender.send("n", TO) == ProviderDown("SMTPServerDisconnected")
    assert server.heard.endswith(b"STARTTLS\r\n")


@pytest.mark.parametrize(
    ("hello", "mail"),
    [
        (b"250-hi\r\n250 DSN", b"mail FROM:<no-reply@example.org> ENVID=abcdefghij RET=HDRS\r\n"),
        (b"250 hi", b"mail FROM:<no-reply@example.org>\r\n"),
    ],
)
def test_a_server_that_can_is_given_our_id_for_its_reports(
    monkeypatch: pytest.MonkeyPatch, hello: bytes, mail: bytes
) -> None:
    result, heard = talk(monkeypatch, [AS_ASKED[0], hello, *AS_ASKED[2:]])
    assert result == Accepted()
    assert mail.lower() in heard.lower()  # Python 3.13 writes its verbs in lower case
