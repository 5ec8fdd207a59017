"""E-mail over SMTP. The steps are taken one by one, because what a lost connection means depends
on the step: before DATA nothing was sent, after it nobody knows.
"""

import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from urllib.parse import urlsplit

from notifier.replies import Accepted, Away, Rejected, Reply, TryLater, Uncertain
from shared.clock import Clock

_TROUBLE = (smtplib.SMTPException, OSError)
_PORTS = {"smtp": 25, "smtps": 465}

_OK = 250
_WILL_FORWARD = 251
_CLOSING = 421  # the server shuts down
_LOGIN_WANTED = 530

_ENHANCED_CODE = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. `tls`: used from the start for smtps, else by STARTTLS."""

    url: str  # smtp://host:port or smtps://host:port
    username: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    timeout: float = 15  # seconds, for each step

    def open(self, greeting_name: str) -> smtplib.SMTP:
        """A connection, encrypted and logged in as told. Raises smtplib's and OS errors."""
        client = self._connect(greeting_name)
        try:
            if self.tls and not isinstance(client, smtplib.SMTP_SSL):
                client.starttls(context=self.tls)
            if self.username:
                client.login(self.username, self.password)
            else:
                client.ehlo_or_helo_if_needed()
        except _TROUBLE:
            client.close()
            raise
        return client

    def _connect(self, greeting_name: str) -> smtplib.SMTP:
        parts = urlsplit(self.url)
        address = (parts.hostname or "", parts.port or _PORTS[parts.scheme], greeting_name)
        if parts.scheme == "smtps":
            return smtplib.SMTP_SSL(*address, timeout=self.timeout, context=self.tls)
        return smtplib.SMTP(*address, timeout=self.timeout)


class SmtpSender:
    """Sends every notice with the same `subject` and `body`, from `sender`."""

    def __init__(
        self, server: MailServer, sender: str, *, subject: str, body: str, clock: Clock
    ) -> None:
        self._server = server
        self._sender = sender
        self._envelope_sender = parseaddr(sender)[1]
        self._domain = self._envelope_sender.rpartition("@")[2]
        self._subject = subject
        self._body = body
        self._clock = clock

    def send(self, notice_id: str, address: str) -> Reply:
        try:
            with self._session() as client:
                return self._hand_over(client, address, self._message(notice_id, address))
        except _TROUBLE as error:
            return Away(_describe(error))

    def _message(self, notice_id: str, address: str) -> bytes:
        """The same Message-ID on every attempt, so that nothing reads as two different mails."""
        message = EmailMessage(policy=SMTP)
        message["From"] = self._sender
        message["To"] = address
        message["Subject"] = self._subject
        message["Date"] = format_datetime(self._clock())
        message["Message-ID"] = f"<{notice_id}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self._body, charset="utf-8", cte="quoted-printable")
        message["Content-Language"] = "sv"  # set_content would take it away
        return message.as_bytes()

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        client = self._server.open(self._domain)
        try:
            yield client
        finally:
            # The mail is handed over or not by now; a failing goodbye changes nothing.
            with suppress(*_TROUBLE):
                client.quit()
            client.close()

    def _hand_over(self, client: smtplib.SMTP, address: str, message: bytes) -> Reply:
        """Raises smtplib's and OS errors only as long as nothing of the mail was sent."""
        refusal = self._address(client, address)
        if refusal is not None:
            return refusal
        try:
            return _verdict(*client.data(message))
        except smtplib.SMTPDataError as error:  # DATA itself was refused
            return _refused(error.smtp_code, _bytes(error.smtp_error))
        except _TROUBLE as error:
            return Uncertain(f"{_describe(error)} after DATA")

    def _address(self, client: smtplib.SMTP, address: str) -> Reply | None:
        """MAIL and RCPT; None when both were taken. A sender nobody takes is our own fault."""
        code, text = client.mail(self._envelope_sender)
        if code != _OK:
            return Away(f"sender: {_code(code, text)}")
        code, text = client.rcpt(address)
        return None if code in {_OK, _WILL_FORWARD} else _refused(code, text)


def _verdict(code: int, text: bytes) -> Reply:
    return Accepted() if code == _OK else _refused(code, text)


def _refused(code: int, text: bytes) -> Reply:
    """4xx may change; 5xx will not, unless it is we who are not let in."""
    detail = _code(code, text)
    if code in {_CLOSING, _LOGIN_WANTED}:
        return Away(detail)
    return Rejected(detail) if code >= 500 else TryLater(detail)


def _code(code: int, text: bytes) -> str:
    """Of a reply only its codes: the words often repeat the address."""
    enhanced = _ENHANCED_CODE.match(text)
    return f"SMTP {code} {enhanced[0].decode()}" if enhanced else f"SMTP {code}"


def _describe(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return _code(error.smtp_code, _bytes(error.smtp_error))
    return type(error).__name__


def _bytes(text: bytes | str) -> bytes:
    return text.encode(errors="replace") if isinstance(text, str) else text
