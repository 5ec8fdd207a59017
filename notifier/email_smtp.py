"""E-mail over SMTP, step by step: the meaning of an answer depends on the step.

=======================  =======================  =============================
answer                   before the mail is sent  after its last dot
=======================  =======================  =============================
as asked                 the next step            accepted (any 2xx)
4xx, but 421             not taken now            not taken now
5xx, but 530             never taken              never taken
421, 530                 the server is down       the server is down
anything else, or none   the server is down       uncertain: perhaps taken
=======================  =======================  =============================

The mail is sent after 354 to DATA. A refusal of the sender (MAIL) is a fault of ours, and counts as
if the server were down.
"""

import re
import smtplib
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from notifier.results import Accepted, ProviderDown, Rejected, SendResult, TryLater, Uncertain
from notifier.smtp_client import NO_CODE, SmtpClient
from notifier.smtp_connections import TROUBLE, SmtpConnections, SmtpServer, is_positive
from notifier.texts import Text
from shared.base.clock import Clock
from shared.base.deadline import Deadline

_GO_ON = 354
_CLOSING = 421  # the server shuts down
_LOGIN_WANTED = 530

_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)  # doubled (RFC 5321, 4.5.2)
_ENHANCED_CODE = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")


class SmtpSender:
    """Sends every notice with the same `subject` and `body`, from `sender`; one about several
    messages has its own.

    `seconds` bounds one sending as a whole, from connecting to the last answer.
    """

    def __init__(
        self,
        server: SmtpServer,
        sender: str,
        *,
        subject: Text,
        body: Text,
        clock: Clock,
        seconds: float = 15,
    ) -> None:
        self._envelope_sender = parseaddr(sender)[1]
        self._domain = self._envelope_sender.rpartition("@")[2]
        self._connections = SmtpConnections(server, self._domain)
        self._same_in_all = {
            several: _same_in_all(
                sender, subject.about(several=several), body.about(several=several)
            )
            for several in (False, True)
        }
        self._clock = clock
        self._seconds = seconds

    def send(self, notice_id: str, address: str, *, several: bool = False) -> SendResult:
        deadline = Deadline(self._seconds)
        try:
            client, code, text = self._connections.begin_mail(
                self._envelope_sender, notice_id, deadline
            )
        except TROUBLE as error:
            return ProviderDown(_describe(error))
        mail = self._message(notice_id, address, self._same_in_all[several])
        result = self._sender_refused(code, text) or _hand_over(client, address, mail)
        if isinstance(result, Accepted):
            self._connections.keep(client)
        else:
            self._connections.leave(client)
        return result

    def _sender_refused(self, code: int, text: bytes) -> SendResult | None:
        """A refused sender is a fault of ours."""
        return None if is_positive(code) else ProviderDown(f"sender: {_code(code, text)}")

    def _message(self, notice_id: str, address: str, same_in_all: bytes) -> bytes:
        """The mail. Every attempt has the same Message-ID, so no client shows two mails.

        `address` needs no folding or encoding: RCPT, which comes first, takes plain ASCII only.
        """
        own = (
            f"To: {address}\r\n"
            f"Date: {format_datetime(self._clock())}\r\n"
            f"Message-ID: <{notice_id}@{self._domain}>\r\n"
        )
        return own.encode() + same_in_all


def _same_in_all(sender: str, subject: str, body: str) -> bytes:
    """Of a mail, all but the headers that are its own, up to the dot that ends it.

    Written once: it costs more than sending.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["Subject"] = subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{body}\n", charset="utf-8", cte="quoted-printable")
    message["Content-Language"] = "sv"  # set_content would take it away
    return _LEADING_DOT.sub(b"..", message.as_bytes()) + b".\r\n"


def _hand_over(client: SmtpClient, address: str, mail: bytes) -> SendResult:
    try:
        if refusal := _not_begun(client, address):
            return refusal
    except TROUBLE as error:
        return ProviderDown(_describe(error))
    try:
        client.send(mail)
        code, text = client.getreply()
    except TROUBLE as error:
        return Uncertain(f"{_describe(error)} after DATA")
    if is_positive(code):
        return Accepted()
    return _refusal(code, text) or Uncertain(f"{_code(code, text)} after DATA")


def _not_begun(client: SmtpClient, address: str) -> SendResult | None:
    """Why the mail may not be sent now; None when the server waits for it."""
    code, text = client.rcpt(address)
    if is_positive(code):
        code, text = client.docmd("DATA")
        if code == _GO_ON:
            client.require_nothing_unread()
            return None
    return _refusal(code, text) or ProviderDown(_code(code, text))


def _refusal(code: int, text: bytes) -> SendResult | None:
    """What 4xx and 5xx mean; None for any other code, which says nothing clear.

    4xx may change; 5xx will not, unless it is we who are not let in.
    """
    detail = _code(code, text)
    if code in {_CLOSING, _LOGIN_WANTED}:
        return ProviderDown(detail)
    if 400 <= code < 500:
        return TryLater(detail)
    return Rejected(detail) if 500 <= code < 600 else None


def _code(code: int, text: bytes) -> str:
    """The codes of a reply, without its text, which often repeats the address."""
    if code == NO_CODE:
        return "no SMTP reply"
    enhanced = _ENHANCED_CODE.match(text)
    return f"SMTP {code} {enhanced[0].decode()}" if enhanced else f"SMTP {code}"


def _describe(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return _code(error.smtp_code, _bytes(error.smtp_error))
    return type(error).__name__


def _bytes(text: bytes | str) -> bytes:
    return text.encode(errors="replace") if isinstance(text, str) else text
