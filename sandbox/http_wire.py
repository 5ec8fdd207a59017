"""HTTP/1.1 messages out of bytes: whole ones, one at a time, as they come in.

A parser of our own because a booking system under load must cost little (uvicorn without its C
parser takes several times the processor time of the call itself) and because a sick one must be
able to misbehave in ways no proper server lets it.
"""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024

_END_OF_HEAD = b"\r\n\r\n"


class BadMessage(ValueError):
    """These bytes are no HTTP message that we take."""


@dataclass(frozen=True, slots=True)
class Request:
    """One whole request. `path` is as sent; header names are in lower case."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def segments(self) -> list[str]:
        """The parts of the path between its slashes, decoded."""
        return [unquote(part) for part in self.path.split("/") if part]

    @property
    def keeps_alive(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"


class RequestReader:
    """Collects bytes (`feed`) and hands out whole requests (`take`)."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: tuple[Request, int] | None = None  # parsed head and where the body starts

    def feed(self, data: bytes) -> None:
        self._buffer += data

    @property
    def waits_for_continue(self) -> bool:
        """True when the client holds its body back until told to go on."""
        return bool(
            self._head and self._head[0].headers.get("expect", "").lower() == "100-continue"
        )

    def take(self) -> Request | None:
        """The next whole request, or None when more bytes are needed. Raises `BadMessage`."""
        if self._head is None:
            self._head = self._take_head()
        if self._head is None:
            return None
        head, start = self._head
        found = find_body(self._buffer, start, head.headers)
        if found is None:
            return None
        body, end = found
        del self._buffer[:end]
        self._head = None
        return Request(head.method, head.path, head.query, head.headers, body)

    def _take_head(self) -> tuple[Request, int] | None:
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                raise BadMessage("the head of the request is too long")
            return None
        return parse_head(self._buffer[:end].decode("latin-1")), end + len(_END_OF_HEAD)


def find_body(data: bytearray, start: int, headers: dict[str, str]) -> tuple[bytes, int] | None:
    """The body that starts at `start` and where it ends; None when it has not all come."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _find_chunks(data, start)
    end = start + _content_length(headers)
    return (bytes(data[start:end]), end) if len(data) >= end else None


def _find_chunks(data: bytearray, start: int) -> tuple[bytes, int] | None:
    body = bytearray()
    while (line_end := data.find(b"\r\n", start)) >= 0:
        size = _chunk_size(bytes(data[start:line_end]))
        end = line_end + 2 + size
        if len(body) + size > MAX_BODY:
            raise BadMessage("the body is too large")
        if len(data) < end + 2:
            return None
        if size == 0:
            return bytes(body), end + 2
        body += data[line_end + 2 : end]
        start = end + 2
    return None


def parse_headers(lines: list[str]) -> dict[str, str]:
    """Header lines by their names in lower case. Raises `BadMessage`."""
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadMessage("a header line without a colon")
        headers[name.lower()] = value.strip()
    return headers


def parse_head(text: str) -> Request:
    """The request line and headers of a request. Raises `BadMessage`."""
    request_line, *lines = text.split("\r\n")
    words = request_line.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadMessage("not an HTTP/1.1 request line")
    url = urlsplit(words[1]) if "?" in words[1] else None
    headers = parse_headers(lines)
    if url is None:
        return Request(words[0], words[1], {}, headers)
    return Request(words[0], url.path, dict(parse_qsl(url.query)), headers)


def _content_length(headers: dict[str, str]) -> int:
    text = headers.get("content-length", "0")
    if not text.isdecimal():
        raise BadMessage("Content-Length is not a number")
    if int(text) > MAX_BODY:
        raise BadMessage("the body is too large")
    return int(text)


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.split(b";")[0], 16)
    except ValueError:
        raise BadMessage("a chunk without its size") from None


def parse_response(data: bytes) -> tuple[int, bytes]:
    """Status and body of a whole response. Raises `BadMessage`, also for one that is cut off."""
    end = data.find(_END_OF_HEAD)
    status_line, *lines = data[: max(end, 0)].decode("latin-1").split("\r\n")
    words = status_line.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdecimal():
        raise BadMessage("not an HTTP response")
    headers = parse_headers(lines)
    start = end + len(_END_OF_HEAD)
    if not {"content-length", "transfer-encoding"} & headers.keys():
        return int(words[1]), data[start:]
    found = find_body(bytearray(data), start, headers)
    if found is None:
        raise BadMessage("the response was cut off")
    return int(words[1]), found[0]
