"""E-mail over SMTP. The steps are taken one by one, because what a lost connection means depends
on the step: before DATA nothing was sent, after it nobody knows.
"""

import re
import smtplib
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from notifier.mail_server import OK, TROUBLE, MailConnections, MailServer
from notifier.replies import Accepted, Away, Rejected, Reply, TryLater, Uncertain
from shared.base.clock import Clock

_WILL_FORWARD = 251
_CLOSING = 421  # the server shuts down
_LOGIN_WANTED = 530

_ENHANCED_CODE = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")


class SmtpSender:
    """Sends every notice with the same `subject` and `body`, from `sender`."""

    def __init__(
        self, server: MailServer, sender: str, *, subject: str, body: str, clock: Clock
    ) -> None:
        self._envelope_sender = parseaddr(sender)[1]
        self._domain = self._envelope_sender.rpartition("@")[2]
        self._connections = MailConnections(server, self._domain)
        self._same_in_all = _same_in_all(sender, subject, body)
        self._clock = clock

    def send(self, notice_id: str, address: str) -> Reply:
        try:
            client, code, text = self._connections.begin_mail(self._envelope_sender)
        except TROUBLE as error:
            return Away(_describe(error))
        reply = self._hand_over(client, code, text, address, notice_id)
        if isinstance(reply, Accepted):
            self._connections.keep(client)
        else:
            self._connections.leave(client)
        return reply

    def _hand_over(
        self, client: smtplib.SMTP, code: int, text: bytes, address: str, notice_id: str
    ) -> Reply:
        if code != OK:  # a sender nobody takes is our own fault
            return Away(f"sender: {_code(code, text)}")
        try:
            code, text = client.rcpt(address)
        except TROUBLE as error:
            return Away(_describe(error))
        if code not in {OK, _WILL_FORWARD}:
            return _refused(code, text)
        try:
            return _verdict(*client.data(self._message(notice_id, address)))
        except smtplib.SMTPDataError as error:  # DATA itself was refused
            return _refused(error.smtp_code, _bytes(error.smtp_error))
        except TROUBLE as error:
            return Uncertain(f"{_describe(error)} after DATA")

    def _message(self, notice_id: str, address: str) -> bytes:
        """The same Message-ID on every attempt, so that nothing reads as two different mails.

        `address` needs no folding or encoding: RCPT, which comes first, takes plain ASCII only.
        """
        own = (
            f"To: {address}\r\n"
            f"Date: {format_datetime(self._clock())}\r\n"
            f"Message-ID: <{notice_id}@{self._domain}>\r\n"
        )
        return own.encode() + self._same_in_all


def _same_in_all(sender: str, subject: str, body: str) -> bytes:
    """Of a mail, all but the headers that are its own. Written once: it costs more than sending."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["Subject"] = subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body, charset="utf-8", cte="quoted-printable")
    message["Content-Language"] = "sv"  # set_content would take it away
    return message.as_bytes()


def _verdict(code: int, text: bytes) -> Reply:
    return Accepted() if code == OK else _refused(code, text)


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
