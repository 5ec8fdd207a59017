"""HTTP to the national service platform: one POST, its reply whole, connections kept.

urllib3 itself rather than requests on top of it: a session's cookies, redirects and .netrc are not
wanted here, and without that layer a call costs a quarter less. Its errors are translated once:

```
urllib3                                          fetcher.answers
───────────────────────────────────────────────  ──────────────────────────
connect and read time-outs                       CallFailed(TIMED_OUT)
refused, reset, cut short                        ShortTrouble(UNREACHABLE)
anything else, as trouble with TLS               CallFailed(UNREACHABLE)
```
"""

import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import structlog
import urllib3
from urllib3.exceptions import (
    HTTPError,
    IncompleteRead,
    NewConnectionError,
    ProtocolError,
    TimeoutError,  # noqa: A004 - urllib3's name; Python's own is not raised here
)

from fetcher.answers import CallFailed, RetryReason, ShortTrouble

log = structlog.get_logger()

_CHUNK = 65_536
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]+)", re.IGNORECASE)
#: How often certificate files are looked at for renewal, in seconds.
_LOOK_AT_FILES = 5


@dataclass(frozen=True, slots=True)
class HttpReply:
    status: int
    content: bytes
    encoding: str | None  # as the Content-Type says, if it does


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. Without `ca`, the machine's own authorities are trusted."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def stamp(self) -> tuple[int, ...]:
        """Changes when a file does. Raises OSError for one that is not there."""
        files = (path for path in (self.ca, self.certificate, self.key) if path)
        return tuple(path.stat().st_mtime_ns for path in files)

    def context(self) -> ssl.SSLContext:
        """Raises OSError (`ssl.SSLError` is one) when a file is missing or not what it must be."""
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True, slots=True)
class TimeOuts:
    """In seconds. `read` bounds the reply as a whole too, however slowly it trickles."""

    connect: float
    read: float


class Platform:
    """Posts to one URL. Thread-safe; keeps up to `connections` of them open.

    Raises OSError when the certificate files cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        time_outs: TimeOuts,
        connections: int,
        max_bytes: int,
        tls: TlsFiles = TlsFiles(),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._target = urllib3.util.parse_url(url).request_uri
        self._time_outs = time_outs
        self._connections = connections
        self._max_bytes = max_bytes
        self._tls = tls
        self._monotonic = monotonic
        self._renewing = Lock()
        self._looked_at = monotonic()
        self._stamp = tls.stamp()
        self._pool = self._new_pool()

    def post(self, body: bytes, headers: Mapping[str, str]) -> HttpReply:
        """Send `body` and read the reply, whatever its status. Raises `CallFailed`."""
        self._take_up_renewed_files()
        give_up_at = self._monotonic() + self._time_outs.connect + self._time_outs.read
        try:
            response = self._send(body, headers)
            content = self._read(response, give_up_at)
        except HTTPError as error:
            raise translated(error) from None
        charset = _CHARSET.search(response.headers.get("Content-Type", ""))
        return HttpReply(response.status, content, charset and charset.group(1))

    def close(self) -> None:
        self._pool.close()

    def _send(self, body: bytes, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        return self._pool.urlopen(
            "POST",
            self._target,
            body=body,
            headers=headers,
            timeout=urllib3.Timeout(connect=self._time_outs.connect, read=self._time_outs.read),
            retries=False,
            redirect=False,
            preload_content=False,
        )

    def _read(self, response: urllib3.BaseHTTPResponse, give_up_at: float) -> bytes:
        """The whole reply. One that is too long or too slow costs its connection."""
        content = bytearray()
        try:
            while chunk := response.read1(_CHUNK, decode_content=True):
                content += chunk
                self._check(len(content), give_up_at)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return bytes(content)

    def _check(self, length: int, give_up_at: float) -> None:
        if length > self._max_bytes:
            detail = f"the reply is larger than {self._max_bytes} bytes"
            raise CallFailed(RetryReason.UNREADABLE, detail)
        if self._monotonic() > give_up_at:
            raise CallFailed(RetryReason.TIMED_OUT, "the reply took too long")

    def _take_up_renewed_files(self) -> None:
        """New connections for new certificates; calls under way finish on the old ones.

        Files that cannot be used, as when only half of them are written, are left for later.
        """
        if self._monotonic() - self._looked_at < _LOOK_AT_FILES:
            return
        with self._renewing:
            self._looked_at = self._monotonic()
            try:
                stamp = self._tls.stamp()
                if stamp == self._stamp:
                    return
                renewed = self._new_pool()
            except OSError as error:
                log.warning("certificates_unusable", error=type(error).__name__)
                return
            former, self._pool, self._stamp = self._pool, renewed, stamp
            former.close()
            log.info("certificates_renewed")

    def _new_pool(self) -> urllib3.HTTPConnectionPool:
        manager = urllib3.PoolManager(maxsize=self._connections, ssl_context=self._tls.context())
        return manager.connection_from_url(self._url)


def translated(error: HTTPError) -> CallFailed:
    """What an error of urllib3 means to us, with its name and none of its text."""
    name = type(error).__name__
    match error:
        # First, since a refused connection is a kind of time-out to urllib3.
        case NewConnectionError() | ProtocolError() | IncompleteRead():
            return ShortTrouble(RetryReason.UNREACHABLE, name)
        case TimeoutError():
            return CallFailed(RetryReason.TIMED_OUT, name)
        case _:
            return CallFailed(RetryReason.UNREACHABLE, name)
