"""The mail server: how it is reached, and connections to it that outlive a mail.

A connection may be kept because nothing of a mail is sent before MAIL is answered: one that died
meanwhile is found out there, and another is opened. With HTTP that cannot be told apart.
"""

import smtplib
import ssl
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

TROUBLE = (smtplib.SMTPException, OSError)
OK = 250

_PORTS = {"smtp": 25, "smtps": 465}
#: Less than any server waits for the next command (RFC 5321 asks five minutes of it).
_KEPT_SECONDS = 20.0


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
        except TROUBLE:
            client.close()
            raise
        return client

    def _connect(self, greeting_name: str) -> smtplib.SMTP:
        parts = urlsplit(self.url)
        address = (parts.hostname or "", parts.port or _PORTS[parts.scheme], greeting_name)
        if parts.scheme == "smtps":
            return smtplib.SMTP_SSL(*address, timeout=self.timeout, context=self.tls)
        return smtplib.SMTP(*address, timeout=self.timeout)


class MailConnections:
    """Open connections that no mail is on. Thread-safe."""

    def __init__(
        self,
        server: MailServer,
        greeting_name: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._greeting_name = greeting_name
        self._monotonic = monotonic
        self._idle: deque[tuple[smtplib.SMTP, float]] = deque()

    def begin_mail(self, sender: str) -> tuple[smtplib.SMTP, int, bytes]:
        """A connection, and its answer to MAIL. Raises smtplib's and OS errors.

        Only a new connection's refusal counts: a kept one may just have grown too old.
        """
        while (kept := self._take()) is not None:
            with suppress(*TROUBLE):
                code, text = kept.mail(sender)
                if code == OK:
                    return kept, code, text
            kept.close()
        fresh = self._server.open(self._greeting_name)
        try:
            return fresh, *fresh.mail(sender)
        except TROUBLE:
            fresh.close()
            raise

    def keep(self, client: smtplib.SMTP) -> None:
        """For the next mail; this one's was taken."""
        self._idle.append((client, self._monotonic()))

    def leave(self, client: smtplib.SMTP) -> None:
        """The mail is handed over or not by now; a failing goodbye changes nothing."""
        with suppress(*TROUBLE):
            client.quit()
        client.close()

    def _take(self) -> smtplib.SMTP | None:
        """The one used last. What is older than it may be is left."""
        with suppress(IndexError):
            while True:
                client, since = self._idle.pop()
                if self._monotonic() - since < _KEPT_SECONDS:
                    return client
                self.leave(client)
        return None
