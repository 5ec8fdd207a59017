"""HTTP to the national service platform: one POST, its reply whole, connections kept.

Errors of requests and urllib3 are translated here, once:

```
requests / urllib3                               fetcher.answers
───────────────────────────────────────────────  ──────────────────────────
connect and read time-outs                       CallFailed(TIMED_OUT)
TLS trouble                                      CallFailed(UNREACHABLE)
refused, reset, cut short                        ShortTrouble(UNREACHABLE)
anything else, as a missing certificate file     CallFailed(UNREACHABLE)
a reply larger than we take                      CallFailed(UNREADABLE)
```
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import requests
import structlog
import urllib3
from requests.adapters import HTTPAdapter

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
    """PEM files. Without `ca`, public certificate authorities are trusted."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def stamp(self) -> tuple[int, ...]:
        """Changes when a file does; files that are missing just now count as unchanged."""
        files = [path for path in (self.ca, self.certificate, self.key) if path]
        return tuple(path.stat().st_mtime_ns for path in files if path.exists())


@dataclass(frozen=True, slots=True)
class TimeOuts:
    """In seconds. `read` bounds the reply as a whole too, however slowly it trickles."""

    connect: float
    read: float


class Platform:
    """Posts to one URL. Thread-safe; keeps up to `connections` of them open."""

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
        self._time_outs = time_outs
        self._connections = connections
        self._max_bytes = max_bytes
        self._tls = tls
        self._monotonic = monotonic
        self._lock = Lock()
        self._stamp = tls.stamp()
        self._looked_at = monotonic()
        self._adapter = self._new_adapter()

    def post(self, body: bytes, headers: Mapping[str, str]) -> HttpReply:
        """Send `body` and read the reply, whatever its status. Raises `CallFailed`."""
        give_up_at = self._monotonic() + self._time_outs.connect + self._time_outs.read
        try:
            response = self._send(body, headers)
            content = self._read(response, give_up_at)
        except (OSError, urllib3.exceptions.HTTPError) as error:  # requests' own are OSErrors
            raise translated(error) from None
        charset = _CHARSET.search(response.headers.get("Content-Type", ""))
        return HttpReply(response.status_code, content, charset and charset.group(1))

    def close(self) -> None:
        self._adapter.close()

    def _send(self, body: bytes, headers: Mapping[str, str]) -> requests.Response:
        """By the adapter itself: a session's cookies, redirects and .netrc are not wanted here,
        and leaving them out halves the cost of a call.
        """
        request = requests.PreparedRequest()
        request.method, request.url, request.body = "POST", self._url, body
        request.headers = requests.structures.CaseInsensitiveDict(headers)
        request.headers["Content-Length"] = str(len(body))
        request.headers["Accept-Encoding"] = "identity"
        return self._current_adapter().send(
            request,
            stream=True,
            timeout=(self._time_outs.connect, self._time_outs.read),
            verify=str(self._tls.ca) if self._tls.ca else True,
            cert=_certificate(self._tls),
        )

    def _read(self, response: requests.Response, give_up_at: float) -> bytes:
        """The whole reply. One that is too long or too slow costs its connection."""
        content = bytearray()
        try:
            while chunk := response.raw.read1(_CHUNK, decode_content=True):
                content += chunk
                self._check(len(content), give_up_at)
        except BaseException:
            response.raw.close()
            raise
        response.raw.release_conn()
        return bytes(content)

    def _check(self, length: int, give_up_at: float) -> None:
        if length > self._max_bytes:
            detail = f"the reply is larger than {self._max_bytes} bytes"
            raise CallFailed(RetryReason.UNREADABLE, detail)
        if self._monotonic() > give_up_at:
            raise CallFailed(RetryReason.TIMED_OUT, "the reply took too long")

    def _current_adapter(self) -> HTTPAdapter:
        """A new one, with new connections, when the certificate files were renewed.

        Calls under way finish on the old one's connections.
        """
        if self._monotonic() - self._looked_at >= _LOOK_AT_FILES:
            with self._lock:
                self._looked_at = self._monotonic()
                stamp = self._tls.stamp()
                if stamp != self._stamp:
                    log.info("certificates_renewed")
                    self._stamp, old, self._adapter = stamp, self._adapter, self._new_adapter()
                    old.close()
        return self._adapter

    def _new_adapter(self) -> HTTPAdapter:
        return HTTPAdapter(pool_connections=1, pool_maxsize=self._connections)


def _certificate(tls: TlsFiles) -> str | tuple[str, str] | None:
    if tls.certificate is None:
        return None
    return (str(tls.certificate), str(tls.key)) if tls.key else str(tls.certificate)


def translated(error: OSError | urllib3.exceptions.HTTPError) -> CallFailed:
    """What an error of the libraries means to us, with its name and none of its text."""
    name = type(error).__name__
    match error:
        case requests.Timeout() | urllib3.exceptions.TimeoutError():
            return CallFailed(RetryReason.TIMED_OUT, name)
        case requests.exceptions.SSLError() | requests.exceptions.ProxyError():
            return CallFailed(RetryReason.UNREACHABLE, name)
        case requests.ConnectionError() | urllib3.exceptions.ProtocolError():
            return ShortTrouble(RetryReason.UNREACHABLE, name)
        case _:
            return CallFailed(RetryReason.UNREACHABLE, name)
