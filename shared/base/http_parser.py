"""httptools' parser, with the bodies of requests that offer an upgrade.

Java's HTTP client offers HTTP/2 with every request in plain text (`Upgrade: h2c`). A server may
ignore the offer (RFC 9110, 7.8), but httptools stops reading at the end of the head, and the body
counts as absent. Here such a request is parsed again without the offer.
"""

from typing import Any, Protocol

import httptools

_OFFER = frozenset((b"connection", b"upgrade", b"http2-settings"))


class Head(Protocol):
    """The protocol that collects the head of a request."""

    url: bytes
    headers: list[tuple[bytes, bytes]]


class SteadyParser(httptools.HttpRequestParser):
    """Never upgrades. A head with an offer is reported to the protocol twice.

    During the first report, which the protocol must ignore, `should_upgrade` is true.
    """

    def __init__(self, protocol: Head) -> None:
        super().__init__(protocol)
        self._head = protocol
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it

    def feed_data(self, data: Any) -> None:
        """Read `data`, bytes of any kind.

        Raises `httptools.HttpParserError` for what is no HTTP, and for CONNECT.
        """
        rest = memoryview(data)
        while True:
            try:
                return super().feed_data(rest)
            except httptools.HttpParserUpgrade as offer:
                if self.get_method() == b"CONNECT":
                    raise httptools.HttpParserError("CONNECT") from None
                rest = rest[offer.args[0] :]
            super().feed_data(self._head_without_offer())

    def _head_without_offer(self) -> bytes:
        version = self.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.get_method(), self._head.url, version)]
        lines += [
            b"%b: %b" % (name, value) for name, value in self._head.headers if name not in _OFFER
        ]
        return b"\r\n".join((*lines, b"", b""))
