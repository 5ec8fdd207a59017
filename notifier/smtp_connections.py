"""Connections to the mail server, which are kept between mails.

A connection may be kept because nothing of a mail is sent before MAIL is answered: one that died
meanwhile is found out there, and another is opened. HTTP has no such answer before the request.
"""

import smtplib
import ssl
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from notifier.smtp_client import SmtpClient, connect, handshake
from shared.base.deadline import Deadline

#: ValueError is what smtplib's login says of a challenge that cannot be decoded.
TROUBLE = (smtplib.SMTPException, OSError, ValueError)

_READY = 220
_PORTS = {"smtp": 25, "smtps": 465}
#: Less than any server waits for the next command (RFC 5321 asks five minutes of it).
_KEPT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in. `tls`: used from the start for smtps, else by STARTTLS."""

    url: str  # smtp://host:port or smtps://host:port
    username: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    connect_seconds: float = 5

    def open(self, greeting_name: str, deadline: Deadline) -> SmtpClient:
        """A connection, encrypted and logged in as set. Raises smtplib's and OS errors."""
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        connection = connect(host, port, deadline, at_most=self.connect_seconds)
        client = SmtpClient(connection, greeting_name, deadline)
        try:
            self._begin(client, host, from_the_start=parts.scheme == "smtps")
        except TROUBLE:
            client.close()
            raise
        return client

    def _begin(self, client: SmtpClient, host: str, *, from_the_start: bool) -> None:
        if self.tls and from_the_start:
            client.sock = handshake(client.sock, host, self.tls, client.deadline)
        code, text = client.getreply()
        if code != _READY:
            raise smtplib.SMTPConnectError(code, text)
        if self.tls and not from_the_start:
            client.encrypt(host, self.tls)
        client.ehlo_or_helo_if_needed()
        if self.username:
            client.login(self.username, self.password)


class SmtpConnections:
    """Open connections that no mail is on. Thread-safe."""

    def __init__(
        self,
        server: SmtpServer,
        greeting_name: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._greeting_name = greeting_name
        self._monotonic = monotonic
        self._idle: deque[tuple[SmtpClient, float]] = deque()

    def begin_mail(
        self, sender: str, envelope_id: str, deadline: Deadline
    ) -> tuple[SmtpClient, int, bytes]:
        """A connection, and its answer to MAIL. Raises smtplib's and OS errors.

        Only a new connection's refusal counts: a kept one may just have grown too old.
        """
        while (kept := self._take()) is not None:
            kept.deadline = deadline
            with suppress(*TROUBLE):
                code, text = _mail(kept, sender, envelope_id)
                if is_positive(code):
                    return kept, code, text
            kept.close()
        fresh = self._server.open(self._greeting_name, deadline)
        try:
            return fresh, *_mail(fresh, sender, envelope_id)
        except TROUBLE:
            fresh.close()
            raise

    def keep(self, client: SmtpClient) -> None:
        """Keep the connection for the next mail."""
        self._idle.append((client, self._monotonic()))

    def leave(self, client: SmtpClient) -> None:
        """Send QUIT and close, without waiting for the answer: the mail is already sent or not."""
        with suppress(*TROUBLE):
            client.putcmd("quit")
        client.close()

    def _take(self) -> SmtpClient | None:
        """The one used last. What is older than it may be is left."""
        with suppress(IndexError):
            while True:
                client, since = self._idle.pop()
                if self._monotonic() - since < _KEPT_SECONDS:
                    return client
                client.deadline = Deadline(1)  # that of its last mail has passed
                self.leave(client)
        return None


def _mail(client: SmtpClient, sender: str, envelope_id: str) -> tuple[int, bytes]:
    """MAIL. A server that knows RFC 3461 repeats our id in its reports, and leaves the text out."""
    options = [f"ENVID={envelope_id}", "RET=HDRS"] if client.has_extn("dsn") else []
    return client.mail(sender, options)


def is_positive(code: int) -> bool:
    """2xx: done as asked."""
    return 200 <= code < 300
