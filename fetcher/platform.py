"""HTTP to the national service platform by libcurl, over connections that are kept.

A call takes a third of the CPU time that urllib3 takes, and other threads run meanwhile. libcurl's
errors are translated once:

```
libcurl                                          fetcher.answers
───────────────────────────────────────────────  ──────────────────────────
connect and read time-outs                       CallFailed(TIMED_OUT)
refused, reset, cut short, not HTTP              ShortTrouble(UNREACHABLE)
anything else, as trouble with TLS               CallFailed(UNREACHABLE)
```
"""

import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import pycurl

from fetcher.answers import CallFailed, FetchRetryReason, ShortTrouble
from fetcher.reply_bytes import ReplyBytes
from shared.base.certificates import PemFiles, Renewal
from shared.base.curl import UNSENT_HEADERS, CurlPool, error_name, trust_options

_CHARSET = re.compile(rb"charset=[\"']?([\w.:-]+)", re.IGNORECASE)
#: How often certificate files are checked for renewal, in seconds.
_LOOK_AT_FILES = 5

_SHORT_TROUBLES = {
    pycurl.E_UNSUPPORTED_PROTOCOL,  # so libcurl calls an answer that does not begin as HTTP does
    pycurl.E_FTP_WEIRD_SERVER_REPLY,  # or so, despite its name
    pycurl.E_COULDNT_RESOLVE_HOST,
    pycurl.E_COULDNT_CONNECT,
    pycurl.E_PARTIAL_FILE,
    pycurl.E_GOT_NOTHING,
    pycurl.E_SEND_ERROR,
    pycurl.E_RECV_ERROR,
}
#: Makes libcurl abort a reply: a count of bytes that were never passed.
_STOP = -1
Options = Mapping[int, Any]

#: No client certificate; the authorities of the machine are trusted.
_NO_FILES = PemFiles()


@dataclass(frozen=True, slots=True)
class HttpReply:
    status: int
    content: bytes
    encoding: str | None  # as the Content-Type says, if it does


@dataclass(frozen=True, slots=True)
class TimeOuts:
    """In seconds. `read` bounds silence; their sum bounds the whole call."""

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
        tls: PemFiles = _NO_FILES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = _options(url, time_outs)
        self._connections = connections
        self._max_bytes = max_bytes
        self._tls = tls
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._renewal = Renewal(tls, self._take_up)
        self._pool = self._new_pool()

    def post(self, body: bytes, headers: Sequence[bytes]) -> HttpReply:
        """Send `body` and read the reply, whatever its status. Raises `CallFailed`.

        `headers` are lines, as `b"Content-Type: text/xml"`.
        """
        self._look_at_files()
        pool = self._pool
        curl = pool.take()
        try:
            return self._post(curl, body, headers)
        finally:
            pool.give_back(curl)

    def close(self) -> None:
        self._pool.close()

    def _post(self, curl: pycurl.Curl, body: bytes, headers: Sequence[bytes]) -> HttpReply:
        content = ReplyBytes(self._max_bytes)

        def take(piece: bytes) -> int:
            content.take(piece)
            return _STOP if content.is_endless else len(piece)

        curl.setopt(pycurl.HTTPHEADER, [*UNSENT_HEADERS, *headers])
        curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.WRITEFUNCTION, take)
        try:
            curl.perform()
        except pycurl.error as error:
            if content.is_endless:
                detail = f"the reply is far larger than {self._max_bytes} bytes"
                raise CallFailed(FetchRetryReason.UNREADABLE, detail, source_works=True) from None
            raise translated(error.args[0]) from None
        charset = _CHARSET.search(curl.getinfo_raw(pycurl.CONTENT_TYPE) or b"")
        encoding = charset[1].decode("ascii") if charset else None
        return HttpReply(curl.getinfo(pycurl.RESPONSE_CODE), content.kept(), encoding)

    def _look_at_files(self) -> None:
        if self._monotonic() - self._looked_at >= _LOOK_AT_FILES:
            self._looked_at = self._monotonic()
            self._renewal.look()

    def _take_up(self) -> None:
        """Open new connections for new certificates; calls in flight finish on the old ones."""
        former, self._pool = self._pool, self._new_pool()
        former.close()

    def _new_pool(self) -> CurlPool:
        return CurlPool({**self._options, **tls_options(self._tls)}, self._connections)


def _options(url: str, time_outs: TimeOuts) -> Options:
    """Set the options of all calls; libcurl's other features of HTTP are turned off."""
    milliseconds = 1000
    return {
        pycurl.URL: url,
        pycurl.PATH_AS_IS: 1,
        pycurl.POST: 1,
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
        pycurl.SSLVERSION: pycurl.SSLVERSION_TLSv1_2,  # or newer
        pycurl.ACCEPT_ENCODING: "identity",  # and still read a compressed reply
        pycurl.PROXY: "",  # whatever the environment says
        pycurl.NOSIGNAL: 1,  # as threads need it
        pycurl.CONNECTTIMEOUT_MS: round(time_outs.connect * milliseconds),
        pycurl.TIMEOUT_MS: round((time_outs.connect + time_outs.read) * milliseconds),
        pycurl.LOW_SPEED_LIMIT: 1,  # bytes a second: less counts as silence
        pycurl.LOW_SPEED_TIME: ceil(time_outs.read),
    }


def tls_options(files: PemFiles) -> Options:
    """The files' content for libcurl, which would otherwise read them at each connection.

    Without `files.ca`, the machine's own authorities are trusted. Raises OSError
    (`ssl.SSLError` is one) when a file is missing or not what it must be.
    """
    files.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))  # libcurl reads the files only later
    options: dict[int, Any] = trust_options(files.ca)
    if files.certificate:
        options[pycurl.SSLCERT_BLOB] = files.certificate.read_bytes()
        options[pycurl.SSLKEY_BLOB] = (files.key or files.certificate).read_bytes()
    return options


def translated(code: int) -> CallFailed:
    """What an error of libcurl means to us, with its name and none of its text."""
    name = error_name(code)
    if code in _SHORT_TROUBLES:
        return ShortTrouble(FetchRetryReason.UNREACHABLE, name)
    late = code == pycurl.E_OPERATION_TIMEDOUT
    return CallFailed(FetchRetryReason.TIMED_OUT if late else FetchRetryReason.UNREACHABLE, name)
