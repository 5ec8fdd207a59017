"""The e-mail client against a mail server on loopback: the wire, and what each reply means."""

import email
import email.policy
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from threading import Thread
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope

from notifier.email_smtp import SmtpSender
from notifier.results import Accepted, ProviderDown, Rejected, SendResult, TryLater, Uncertain
from notifier.smtp_connections import SmtpConnections, SmtpServer
from notifier.texts import Text
from shared.base.deadline import Deadline
from tests.services.ports import free_port

NOW = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)
TO = "tolvan@example.net"
ONE = Text("x", "y")
BODY = "Hej!\n\nDu har fått ett nytt meddelande. " + "Logga in. " * 20 + "\n.\n.slut"


@dataclass
class Mailbox:
    """An aiosmtpd handler that answers as a test tells it. A callable answer may do harm first."""

    replies: dict[str, str | Callable[[SMTP], str]] = field(default_factory=dict)
    envelopes: list[Envelope] = field(default_factory=list)
    sessions: list[Any] = field(default_factory=list)  # one for each mail
    port: int = 0

    def _reply(self, command: str, server: SMTP) -> str:
        reply = self.replies.get(command, "250 2.0.0 OK")
        return reply(server) if callable(reply) else reply

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.sessions.append(session)
        envelope.mail_from = address
        return self._reply("MAIL", server)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self._reply("RCPT", server)

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Any, envelope: Envelope
    ) -> str:
        self.envelopes.append(envelope)
        return self._reply("DATA", server)


def the_mail(mailbox: Mailbox) -> EmailMessage:
    [envelope] = mailbox.envelopes
    assert isinstance(envelope.content, bytes)
    parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def hang_up(server: SMTP) -> str:
    server.transport.abort()
    return "250 too late"


def start(mailbox: Mailbox, **options: Any) -> Controller:
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    mailbox.port = controller.port
    return controller


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    controller = start(box)
    yield box
    controller.stop()


def sender(port: int, seconds: float = 2, **server: Any) -> SmtpSender:
    return SmtpSender(
        SmtpServer(f"smtp://127.0.0.1:{port}", **server),
        "Inkorgen på 1177 <no-reply@example.org>",
        subject=Text("Du har fått ett nytt meddelande", "Du har fått nya meddelanden"),
        body=Text(BODY, "Logga in för att läsa dem."),
        clock=lambda: NOW,
        seconds=seconds,
    )


def send(port: int, seconds: float = 2, **server: Any) -> SendResult:
    return sender(port, seconds, **server).send("abcdefghij", TO)


def test_the_mail_says_what_it_is(mailbox: Mailbox) -> None:
    assert send(mailbox.port) == Accepted()
    mail = the_mail(mailbox)
    assert mail["From"] == "Inkorgen på 1177 <no-reply@example.org>"
    assert mail["To"] == TO
    assert mail["Subject"] == "Du har fått ett nytt meddelande"
    assert mail["Message-ID"] == "<abcdefghij@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"] == "Thu, 03 Dec 2026 11:00:00 +0000"
    assert mail["Content-Language"] == "sv"
    assert mail["Content-Transfer-Encoding"] == "quoted-printable"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content_charset() == "utf-8"
    assert mail.get_content().replace("\r\n", "\n") == BODY + "\n"
    assert (mailbox.envelopes[0].mail_from, mailbox.envelopes[0].rcpt_tos) == (
        "no-reply@example.org",
        [TO],
    )


def test_a_mail_about_several_messages_says_so(mailbox: Mailbox) -> None:
    assert sender(mailbox.port).send("abcdefghij", TO, several=True) == Accepted()
    mail = the_mail(mailbox)
    assert mail["Subject"] == "Du har fått nya meddelanden"
    assert mail.get_content().strip() == "Logga in för att läsa dem."


def test_the_wire_is_plain_ascii_of_short_lines(mailbox: Mailbox) -> None:
    send(mailbox.port)
    content = mailbox.envelopes[0].content
    assert isinstance(content, bytes)
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    ("command", "answer", "reply"),
    [
        ("MAIL", "550 5.7.1 go away", ProviderDown("sender: SMTP 550 5.7.1")),
        ("MAIL", "451 later", ProviderDown("sender: SMTP 451")),
        ("RCPT", "550 5.1.1 <tolvan@example.net> unknown", Rejected("SMTP 550 5.1.1")),
        ("RCPT", "450 4.2.1 greylisted", TryLater("SMTP 450 4.2.1")),
        ("RCPT", "421 4.3.2 closing", ProviderDown("SMTP 421 4.3.2")),
        ("RCPT", "530 5.7.0 login first", ProviderDown("SMTP 530 5.7.0")),
        ("RCPT", "251 will forward", Accepted()),
        ("DATA", "452 4.3.1 disk full", TryLater("SMTP 452 4.3.1")),
        ("DATA", "554 5.6.0 not wanted", Rejected("SMTP 554 5.6.0")),
        ("DATA", "421 4.3.2 closing", ProviderDown("SMTP 421 4.3.2")),
    ],
)
def test_replies(mailbox: Mailbox, command: str, answer: str, reply: SendResult) -> None:
    mailbox.replies[command] = answer
    assert send(mailbox.port) == reply


@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
def test_a_connection_lost_before_data_sent_nothing(mailbox: Mailbox, command: str) -> None:
    mailbox.replies[command] = hang_up
    assert send(mailbox.port) == ProviderDown("SMTPServerDisconnected")


def test_a_connection_lost_after_data_is_uncertain(mailbox: Mailbox) -> None:
    mailbox.replies["DATA"] = hang_up
    assert send(mailbox.port) == Uncertain("SMTPServerDisconnected after DATA")


class TestKeptConnections:
    def test_the_next_mail_takes_the_connection_of_the_last(self, mailbox: Mailbox) -> None:
        smtp = sender(mailbox.port)
        assert [smtp.send("first", TO), smtp.send("second", TO)] == [Accepted(), Accepted()]
        assert len(mailbox.envelopes) == 2
        assert mailbox.sessions[0] is mailbox.sessions[1]

    def test_one_that_died_meanwhile_costs_no_mail(self, mailbox: Mailbox) -> None:
        smtp = sender(mailbox.port)
        smtp.send("first", TO)
        mailbox.replies["MAIL"] = lambda server: (
            "250 ok" if server.session is not mailbox.sessions[0] else hang_up(server)
        )
        assert smtp.send("second", TO) == Accepted()
        assert len(mailbox.envelopes) == 2

    def test_one_that_is_told_to_go_is_replaced(self, mailbox: Mailbox) -> None:
        smtp = sender(mailbox.port)
        smtp.send("first", TO)
        mailbox.replies["MAIL"] = lambda server: (
            "250 ok" if server.session is not mailbox.sessions[0] else "421 too many mails"
        )
        assert smtp.send("second", TO) == Accepted()

    def test_one_whose_mail_was_refused_is_not_kept(self, mailbox: Mailbox) -> None:
        smtp = sender(mailbox.port)
        mailbox.replies["RCPT"] = "450 4.2.1 greylisted"
        smtp.send("first", TO)
        del mailbox.replies["RCPT"]
        assert smtp.send("second", TO) == Accepted()
        assert mailbox.sessions[0] is not mailbox.sessions[1]

    def test_one_that_has_been_idle_for_long_is_left(self, mailbox: Mailbox) -> None:
        times = iter([0.0, 1000.0])
        server = SmtpServer(f"smtp://127.0.0.1:{mailbox.port}")
        connections = SmtpConnections(server, "example.org", lambda: next(times))
        first, *_ = connections.begin_mail("a@example.org", "notice", Deadline(2))
        connections.keep(first)
        second, *_ = connections.begin_mail("a@example.org", "notice", Deadline(2))
        assert second is not first
        assert first.sock is None
        connections.leave(second)


class TestAServerOfFewWords:
    """It greets, answers the commands it has lines for, and then says no more."""

    @pytest.fixture
    def talk(self) -> Iterator[Callable[[list[bytes]], int]]:
        listener = socket.create_server(("127.0.0.1", 0))
        connections: list[socket.socket] = []

        def serve(lines: list[bytes]) -> None:
            connection, _ = listener.accept()
            connections.append(connection)
            reader = connection.makefile("rb")
            for number, line in enumerate(lines):
                if number and reader.readline() is None:
                    return
                connection.sendall(line + b"\r\n")

        def speak(lines: list[bytes]) -> int:
            Thread(target=serve, args=[lines], daemon=True).start()
            port: int = listener.getsockname()[1]
            return port

        yield speak
        for open_socket in [listener, *connections]:
            open_socket.close()

    def test_no_greeting(self, talk: Callable[[list[bytes]], int]) -> None:
        assert send(talk([]), seconds=0.3) == ProviderDown("TimeoutError")

    def test_an_unkind_greeting(self, talk: Callable[[list[bytes]], int]) -> None:
        assert send(talk([b"554 5.3.2 no service"])) == ProviderDown("SMTP 554 5.3.2")

    def test_data_refused(self, talk: Callable[[list[bytes]], int]) -> None:
        lines = [b"220 hi", b"250 hi", b"250 ok", b"250 ok", b"451 4.3.0 not now", b"221 bye"]
        assert send(talk(lines)) == TryLater("SMTP 451 4.3.0")

    def test_silence_after_the_mail(self, talk: Callable[[list[bytes]], int]) -> None:
        lines = [b"220 hi", b"250 hi", b"250 ok", b"250 ok", b"354 go on"]
        assert send(talk(lines), seconds=0.3) == Uncertain("TimeoutError after DATA")


def test_nobody_there_sent_nothing() -> None:
    assert send(free_port()) == ProviderDown("ConnectionRefusedError")


def test_an_unknown_host_sent_nothing() -> None:
    lost = SmtpSender(
        SmtpServer("smtp://nowhere.invalid"), "a@b.se", subject=ONE, body=ONE, clock=lambda: NOW
    )
    assert lost.send("n", TO) == ProviderDown("gaierror")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class TestEncryption:
    @pytest.fixture
    def server_context(self, authority: trustme.CA) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        return context

    @pytest.fixture
    def trusting(self, authority: trustme.CA) -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    @pytest.fixture
    def guarded(self, server_context: ssl.SSLContext) -> Iterator[Mailbox]:
        """A server that takes mail only after STARTTLS and login."""
        box = Mailbox()

        def authenticate(_server: Any, _session: Any, _envelope: Any, _how: str, data: Any) -> Any:
            known = (data.login, data.password) == (b"us", b"secret")
            return AuthResult(success=known, handled=False)

        controller = start(
            box,
            tls_context=server_context,
            require_starttls=True,
            authenticator=authenticate,
            auth_required=True,
        )
        yield box
        controller.stop()

    def test_starttls_and_login(self, guarded: Mailbox, trusting: ssl.SSLContext) -> None:
        login = {"username": "us", "password": "secret", "tls": trusting}
        assert send(guarded.port, **login) == Accepted()

    def test_a_wrong_password_is_our_trouble(
        self, guarded: Mailbox, trusting: ssl.SSLContext
    ) -> None:
        login = {"username": "us", "password": "wrong", "tls": trusting}
        assert send(guarded.port, **login) == ProviderDown("SMTP 535 5.7.8")

    def test_a_server_we_do_not_trust_gets_nothing(self, guarded: Mailbox) -> None:
        reply = send(guarded.port, tls=ssl.create_default_context())
        assert reply == ProviderDown("SSLCertVerificationError")
        assert guarded.envelopes == []

    def test_starttls_that_is_not_offered_is_not_done_without(
        self, mailbox: Mailbox, trusting: ssl.SSLContext
    ) -> None:
        assert send(mailbox.port, tls=trusting) == ProviderDown("SMTPNotSupportedError")
        assert mailbox.envelopes == []

    def test_a_handshake_that_never_ends_sent_nothing(self, trusting: ssl.SSLContext) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            sender = SmtpSender(
                SmtpServer(f"smtps://127.0.0.1:{mute.getsockname()[1]}", tls=trusting),
                "a@b.se",
                subject=ONE,
                body=ONE,
                clock=lambda: NOW,
                seconds=0.3,
            )
            assert sender.send("n", TO) == ProviderDown("TimeoutError")

    def test_smtps(self, server_context: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
        box = Mailbox()
        controller = start(box, ssl_context=server_context)
        url = f"smtps://127.0.0.1:{box.port}"
        reply = SmtpSender(
            SmtpServer(url, tls=trusting), "a@b.se", subject=ONE, body=ONE, clock=lambda: NOW
        ).send("n", TO)
        controller.stop()
        assert reply == Accepted()
