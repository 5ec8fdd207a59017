"""An SMTP server that keeps the mails it receives. STARTTLS and login are by the settings."""

import asyncio
import re
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cached_property
from typing import Any
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from sandbox.binding import reachable_at
from sandbox.endless_greeting import EndlessGreeting
from sandbox.faults import Fault, FaultBook, SmtpFault
from shared.base.addresses import split_bind

TARGET = "smtp"  # the name of the server in the control API

_AT_CONNECTING = frozenset({SmtpFault.ENDLESS, SmtpFault.SLOW_DRIP})
_AT_THE_DOT = frozenset(SmtpFault) - _AT_CONNECTING
_DRIPS = 20

_COMMON_ADDRESS = re.compile(r"<([\w+-]+(?:\.[\w+-]+)*@[\w-]+(?:\.[\w-]+)*)>")


@dataclass(frozen=True)
class Mail:
    """A mail that was accepted: the envelope, and the message as received."""

    sender: str
    recipients: list[str]
    content: bytes
    received: str = field(default_factory=lambda: datetime.now(UTC).isoformat())

    @cached_property
    def message(self) -> EmailMessage:
        """The message, parsed on demand: parsing takes longer than receiving."""
        return message_from_bytes(self.content, policy=policy.default)

    def listing(self) -> dict[str, object]:
        return {
            "from": str(self.message["From"] or ""),
            "to": str(self.message["To"] or ""),
            "subject": str(self.message["Subject"] or ""),
            "headers": {name: str(text) for name, text in self.message.items()},
            "text": _part(self.message, "plain"),
            "html": _part(self.message, "html"),
            "envelope": {"from": self.sender, "to": self.recipients},
            "received": self.received,
        }


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""


class MailServer:
    """Accepts mail and keeps it in `caught`. `credentials`: user:password; "" accepts any."""

    def __init__(
        self, bind: str, faults: FaultBook, *, tls: ssl.SSLContext | None, credentials: str
    ) -> None:
        self.caught: list[Mail] = []
        self.url = ""
        self._host, self._port = split_bind(bind)
        self._tls = tls
        self._credentials = credentials
        self._faults = faults
        self._receiver = _Receiver(self.caught, faults)
        self._server: asyncio.Server | None = None
        self._sessions: WeakSet[SMTP | EndlessGreeting] = WeakSet()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, self._host, self._port)
        self.url = f"smtp://{reachable_at(self._host, self._server)}"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for session in list(self._sessions):
                if session.transport is not None:
                    session.transport.close()
            await self._server.wait_closed()

    def _session(self) -> SMTP | EndlessGreeting:
        session = self._hostile_session() or self._mail_session()
        self._sessions.add(session)
        return session

    def _hostile_session(self) -> EndlessGreeting | None:
        struck = self._faults.strike(TARGET, kinds=_AT_CONNECTING)
        if drip := struck.get(SmtpFault.SLOW_DRIP):
            return EndlessGreeting(max(drip.terms.drip_seconds, 0.01) / _DRIPS)
        return EndlessGreeting() if SmtpFault.ENDLESS in struck else None

    def _mail_session(self) -> SMTP:
        return MailSession(
            self._receiver,
            hostname="sandbox",
            ident="Budkavle sandbox",
            enable_SMTPUTF8=True,
            tls_context=self._tls,
            require_starttls=self._tls is not None,
            auth_require_tls=self._tls is not None,
            auth_required=bool(self._credentials),
            authenticator=self._authenticate,
            loop=asyncio.get_running_loop(),
        )

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any
    ) -> AuthResult:
        if not isinstance(given, LoginPassword):
            return AuthResult(success=False, handled=False)
        login = f"{given.login.decode()}:{given.password.decode()}"
        return AuthResult(success=login == (self._credentials or login), handled=False)


class MailSession(SMTP):
    """aiosmtpd's session of one client, with a short way for common addresses.

    Parsing each by the whole grammar of RFC 5322 takes a sixth of the CPU time of a mail.
    """

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """The address that `arg` begins with, and what follows it."""
        common = _COMMON_ADDRESS.fullmatch(arg)
        return (common[1], "") if common else super()._getaddr(arg)


class _Receiver:
    """Called by aiosmtpd with each complete message."""

    def __init__(self, caught: list[Mail], faults: FaultBook) -> None:
        self._caught = caught
        self._faults = faults

    async def handle_DATA(  # noqa: N802 - the name aiosmtpd calls
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        struck = self._faults.strike(TARGET, kinds=_AT_THE_DOT)
        if latency := struck.get(SmtpFault.LATENCY):
            await asyncio.sleep(latency.terms.latency_seconds)
        if hang := struck.get(SmtpFault.HANG):
            await hang.until_over()
            return "421 4.3.0 closing; nothing was taken"
        if refusal := _refused(server, struck):
            return refusal
        self._keep(envelope)
        if mute := struck.get(SmtpFault.TIMEOUT_AFTER_ACCEPT):
            await mute.until_over()
        reply = struck.get(SmtpFault.REPLY)
        return reply.terms.text if reply else "250 2.0.0 OK"

    def _keep(self, envelope: Envelope) -> None:
        content = envelope.content
        data = content.encode() if isinstance(content, str) else content or b""
        self._caught.append(Mail(envelope.mail_from or "", list(envelope.rcpt_tos), data))


def _refused(server: SMTP, struck: dict[str, Fault]) -> str:
    if SmtpFault.HANG_UP in struck and server.transport is not None:
        server.transport.close()
        return "421 4.3.0 cut off"
    for kind, status in ((SmtpFault.FAULT, 451), (SmtpFault.REFUSE, 550)):
        if fault := struck.get(kind):
            return f"{fault.terms.status or status} {fault.terms.text}"
    return ""
