"""One POST to a provider by libcurl: one deadline for all of it, and bounds on what is read.

A connection is kept for the next POST, since over TLS a new one costs milliseconds and two round
trips. On a kept one, "the peer had closed it" and "the peer took the request and closed" look the
same. So only one is used again that was used within the last second or two and that the peer has
not closed as far as we know, and no request is handed over twice, as libcurl would by itself.
"""

import io
import re
import select
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import pycurl

from shared.base.curl import UNSENT_HEADERS, CurlPool, Options, error_name, trust_options

#: A provider's reply is some hundred bytes; what is longer is cut off there.
MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 16 * 1024

_STATUS_LINE = re.compile(rb"HTTP/[\d.]+ +(\d{3})\b")
_HEADER = re.compile(rb"^([!-9;-~]+):[ \t]*(.*?)[ \t]*\r?$", re.MULTILINE)
_KEPT_SECONDS = 1
#: A callback's answer that ends the exchange: any number but that of the bytes handed over.
_STOP = -1


@dataclass(frozen=True, slots=True)
class Exchange:
    """The result of one POST.

    `status` is None when the status line of a final reply did not come. `error` names what kept
    the reply from coming whole, "" when nothing did. `body_sent` is False only when no byte of
    the request's body was handed to the network: then nobody can have taken it.
    """

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    error: str = ""
    body_sent: bool = True


class HttpPoster:
    """Posts to one URL. Thread-safe.

    `seconds` bounds the whole exchange: name resolution, connecting, TLS, request and reply.
    """

    def __init__(self, url: str, *, seconds: float, connect_seconds: float) -> None:
        self._pool = CurlPool(_options(url, seconds, connect_seconds))

    def post(self, body: bytes, headers: Mapping[str, str]) -> Exchange:
        """Send `body` once. Raises nothing of libcurl's."""
        curl = self._pool.take()
        curl.setopt(pycurl.FRESH_CONNECT, not _is_quiet(curl.getinfo(pycurl.ACTIVESOCKET)))
        traffic = _Traffic(body)
        lines = [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
        curl.setopt(pycurl.HTTPHEADER, [*UNSENT_HEADERS, *lines])
        curl.setopt(pycurl.POSTFIELDSIZE_LARGE, len(body))
        curl.setopt(pycurl.READFUNCTION, traffic.read)
        curl.setopt(pycurl.HEADERFUNCTION, traffic.take_header)
        curl.setopt(pycurl.WRITEFUNCTION, traffic.take_body)
        error = _perform(curl)
        self._pool.give_back(curl)
        return traffic.exchange(error)


def _is_quiet(handle: int) -> bool:
    """Whether the socket is open and has nothing to read: no FIN above all, nor anything unasked.

    libcurl does not look at one that was used a moment ago.
    """
    if handle < 0:
        return False
    poll = select.poll()
    poll.register(handle, select.POLLIN | select.POLLHUP | select.POLLERR)
    return not poll.poll(0)


def _perform(curl: pycurl.Curl) -> str:
    try:
        curl.perform()
    except pycurl.error as error:
        return error_name(error.args[0])
    return ""


class _Traffic:
    """The bytes of one exchange, as libcurl asks for them and brings them."""

    def __init__(self, request: bytes) -> None:
        self._request = io.BytesIO(request)
        self._sent = False
        self._head = bytearray()
        self._head_bytes = 0
        self._body = bytearray()

    def read(self, size: int) -> bytes:
        if not self._sent:  # a head that came before is that of a proxy
            self._sent = True
            self._head.clear()
        return self._request.read(size)

    def take_header(self, line: bytes) -> int:
        self._head_bytes += len(line)
        if self._head_bytes > MAX_HEAD_BYTES:
            return _STOP
        if line.startswith(b"HTTP/"):
            self._head.clear()
        self._head += line
        return len(line)

    def take_body(self, piece: bytes) -> int:
        self._body += piece[: MAX_BODY_BYTES - len(self._body) + 1]
        return len(piece) if len(self._body) <= MAX_BODY_BYTES else _STOP

    def exchange(self, error: str) -> Exchange:
        if self._head_bytes > MAX_HEAD_BYTES or len(self._body) > MAX_BODY_BYTES:
            error = "reply too large"
        return Exchange(
            status=self._status() if self._sent else None,
            headers=_headers(bytes(self._head)),
            body=bytes(self._body[:MAX_BODY_BYTES]),
            error=error,
            body_sent=self._sent,
        )

    def _status(self) -> int | None:
        """Of the final reply: 1xx only announces it."""
        found = _STATUS_LINE.match(self._head)
        return int(found[1]) if found and int(found[1]) >= 200 else None


def _headers(head: bytes) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in _HEADER.findall(head)
    }


def _options(url: str, seconds: float, connect_seconds: float) -> Options:
    milliseconds = 1000
    return {
        pycurl.URL: url,
        pycurl.PATH_AS_IS: 1,
        pycurl.POST: 1,
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
        pycurl.SSLVERSION: pycurl.SSLVERSION_TLSv1_2,  # or newer
        pycurl.ACCEPT_ENCODING: "identity",  # and read what is compressed all the same
        pycurl.PROXY: _proxy(url),
        pycurl.NOPROXY: "",  # `_proxy` has seen to it
        pycurl.NOSIGNAL: 1,  # as threads need it
        pycurl.MAXAGE_CONN: _KEPT_SECONDS,
        pycurl.MAXCONNECTS: 1,
        pycurl.SEEKFUNCTION: _refuse_to_repeat,
        pycurl.CONNECTTIMEOUT_MS: round(connect_seconds * milliseconds),
        pycurl.TIMEOUT_MS: round(seconds * milliseconds),
        **trust_options(),
    }


def _refuse_to_repeat(_offset: int, _origin: int) -> int:
    """libcurl wants to send a body anew, on another connection: it may have been taken."""
    return int(pycurl.SEEKFUNC_FAIL)


def _proxy(url: str) -> str:
    """The proxy that the environment names for `url` (HTTPS_PROXY, NO_PROXY); "" for none."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme, "")
    return "" if proxy_bypass(parts.hostname or "") else proxy
