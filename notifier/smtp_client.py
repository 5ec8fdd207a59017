"""smtplib's client with bounds: one deadline for a whole sending, and short replies only.

smtplib bounds the wait for each read and the length of each line; a server that drips, or greets
without end, would hold a thread for ever or fill the memory.
"""

import re
import smtplib
import socket
import ssl

from shared.base.deadline import Deadline

#: Of one reply, all its lines together. The longest, to EHLO, is some hundred bytes.
MAX_REPLY_BYTES = 16 * 1024
#: The code of a reply that has none (RFC 5321, 4.2: three digits, the first of them 2 to 5).
NO_CODE = -1

_REPLY_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_READ_BYTES = 4096


class SmtpClient(smtplib.SMTP):
    """Speaks over `connection`, which is open. Every step raises TimeoutError after `deadline`.

    A reply that comes unasked is no answer to the next command: the connection is given up.
    """

    def __init__(self, connection: socket.socket, name: str, deadline: Deadline) -> None:
        super().__init__(local_hostname=name)
        self.sock: socket.socket | None = connection
        self.deadline = deadline
        self._unread = bytearray()

    def send(self, s: object) -> None:
        self.require_nothing_unread()
        if self.sock is not None:
            self.sock.settimeout(self.deadline.left())
        super().send(s)  # type: ignore[arg-type] # typeshed says what smtplib takes

    def getreply(self) -> tuple[int, bytes]:
        """The code and text of the next reply; `NO_CODE` for what is no reply of SMTP."""
        code, size = NO_CODE, 0
        texts: list[bytes] = []
        while True:
            line = self._line(MAX_REPLY_BYTES - size)
            size += len(line)
            parts = _REPLY_LINE.fullmatch(line.rstrip(b"\r\n"))
            if parts is None or (texts and int(parts[1]) != code):
                return NO_CODE, b""
            code = int(parts[1])
            texts.append((parts[3] or b"").strip())
            if parts[2] != b"-":
                return code, b"\n".join(texts)

    def encrypt(self, host: str, context: ssl.SSLContext) -> None:
        """STARTTLS, or an error: never on without it. What was said in clear is forgotten."""
        self.ehlo_or_helo_if_needed()
        if not self.has_extn("starttls"):
            raise smtplib.SMTPNotSupportedError("STARTTLS is not offered")
        code, text = self.docmd("STARTTLS")
        if code != 220:
            raise smtplib.SMTPResponseException(code, text)
        self.require_nothing_unread()  # or it would count as said under TLS
        self.sock = handshake(self.sock, host, context, self.deadline)
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False

    def require_nothing_unread(self) -> None:
        if self._unread:
            self.close()
            raise smtplib.SMTPServerDisconnected("it answered what was not asked")

    def _line(self, longest: int) -> bytes:
        while (end := self._unread.find(b"\n") + 1) == 0 and len(self._unread) < longest:
            self._unread += self._receive()
        if not 0 < end <= longest:
            self.close()
            raise smtplib.SMTPServerDisconnected("its reply is too long")
        line = bytes(self._unread[:end])
        del self._unread[:end]
        return line

    def _receive(self) -> bytes:
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        self.sock.settimeout(self.deadline.left())
        data = self.sock.recv(_READ_BYTES)
        if not data:
            self.close()
            raise smtplib.SMTPServerDisconnected("it closed the connection")
        return data


def connect(host: str, port: int, deadline: Deadline, *, at_most: float) -> socket.socket:
    """A connection to the first address of `host` that takes one. Raises OSError.

    No address may take longer than `at_most` seconds, nor all of them longer than the deadline.
    (Name resolution has the time-outs of the machine's resolver.)
    """
    trouble: OSError = OSError("the name has no address")
    for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            return socket.create_connection((str(address[0]), port), deadline.left(at_most))
        except OSError as error:
            trouble = error
    raise trouble


def handshake(
    connection: socket.socket | None, host: str, context: ssl.SSLContext, deadline: Deadline
) -> ssl.SSLSocket:
    """`connection` with TLS on it. Raises OSError, of which `ssl.SSLError` is one."""
    if connection is None:
        raise smtplib.SMTPServerDisconnected("not connected")
    connection.settimeout(deadline.left())
    return context.wrap_socket(connection, server_hostname=host)
