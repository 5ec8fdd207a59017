"""Whole HTTP/1.1 messages out of bytes, by httptools.

No server framework: a booking system under load must cost little, and one that misbehaves must be
able to answer in ways that no proper server allows.
"""

from collections import deque
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

import httptools

from shared.base.http_parser import SteadyParser

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024


class BadMessage(ValueError):
    """The bytes are not an HTTP message, or one that is too large."""


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


class _Message:
    """Collects one message at a time, as httptools reports its parts."""

    def __init__(self) -> None:
        self.on_message_begin()

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.head_is_complete = False
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.head_is_complete = True

    def on_body(self, data: bytes) -> None:
        self.body += data
        if len(self.body) > MAX_BODY:
            raise BadMessage("the body is too large")

    def on_message_complete(self) -> None:
        self.is_complete = True

    def fields(self) -> dict[str, str]:
        return {
            name.decode("latin-1"): value.decode("latin-1").strip() for name, value in self.headers
        }


class RequestReader(_Message):
    """Parses bytes (`feed`) and returns whole requests (`take`)."""

    def __init__(self) -> None:
        super().__init__()
        self._parser = SteadyParser(self)
        self._whole: deque[Request] = deque()
        self._head_bytes = 0
        self._error: BadMessage | None = None

    def feed(self, data: bytes) -> None:
        """Parse `data`. What is wrong with it is raised by `take`, after the requests before it."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._error = BadMessage(str(error.__context__ or error))
            return
        self._head_bytes = 0 if self.head_is_complete else self._head_bytes + len(data)
        if self._head_bytes > MAX_HEAD:
            self._error = BadMessage("the head of the request is too long")

    @property
    def waits_for_continue(self) -> bool:
        """True when the client sends its body only after `100 Continue`."""
        return (
            self.head_is_complete
            and not self.is_complete
            and not self.body
            and self.fields().get("expect", "").lower() == "100-continue"
        )

    def take(self) -> Request | None:
        """The next whole request, or None when more bytes are needed. Raises `BadMessage`."""
        if self._whole:
            return self._whole.popleft()
        if self._error is not None:
            raise self._error
        return None

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_headers_complete(self) -> None:
        if not self._parser.should_upgrade():  # else the parser begins this request again
            super().on_headers_complete()
            if int(self.fields().get("content-length", 0)) > MAX_BODY:
                raise BadMessage("the body is too large")

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            return
        super().on_message_complete()
        path, _, query = self.url.decode("latin-1").partition("?")
        self._whole.append(
            Request(
                self._parser.get_method().decode(),
                path,
                dict(parse_qsl(query)),
                self.fields(),
                bytes(self.body),
            )
        )


def parse_response(data: bytes) -> tuple[int, bytes]:
    """Status and body of a whole response. Raises `BadMessage`, also for one that is cut off."""
    message = _Message()
    parser = httptools.HttpResponseParser(message)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    try:
        parser.feed_data(data)
    except httptools.HttpParserError as error:
        raise BadMessage(str(error.__context__ or error)) from None
    if not message.head_is_complete:
        raise BadMessage("not an HTTP response")
    ends_by_closing = not {"content-length", "transfer-encoding"} & message.fields().keys()
    if not (message.is_complete or ends_by_closing):
        raise BadMessage("the response was cut off")
    return parser.get_status_code(), bytes(message.body)
