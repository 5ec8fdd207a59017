"""HTTP calls on the event loop: one connection for each call, closed when cancelled.

No thread waits for an answer, so the sandbox stops at once even when a subscriber hangs.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from sandbox.http_wire import BadMessage, parse_response

_CHUNK = 4096


class NoAnswer(Exception):
    """The other side refused, closed the connection or did not answer. The text says which."""


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    timeout_seconds: float,
    *,
    chunked: bool = False,
) -> tuple[int, bytes]:
    """`call` with POST; `chunked`: without a Content-Length, in chunks."""
    if not chunked:
        return await call("POST", url, body, headers, timeout_seconds)
    in_chunks = {"Transfer-Encoding": "chunked", **headers}
    return await call("POST", url, _chunks(body), in_chunks, timeout_seconds)


async def call(
    method: str, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float
) -> tuple[int, bytes]:
    """Status and body of the answer. Raises `NoAnswer` when none comes in time."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return parse_response(await _exchange(url, _request(method, url, body, headers)))
    except TimeoutError:
        raise NoAnswer(f"no answer within {timeout_seconds:g} s") from None
    except (OSError, BadMessage) as error:
        raise NoAnswer(f"{type(error).__name__}: {error}") from None


def _chunks(body: bytes) -> bytes:
    pieces = (body[start : start + _CHUNK] for start in range(0, len(body), _CHUNK))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _request(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    parts = urlsplit(url)
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    length = {} if "Transfer-Encoding" in headers else {"Content-Length": str(len(body))}
    all_headers = {
        "Host": parts.netloc.rpartition("@")[2],
        **length,
        "Connection": "close",
        **headers,
    }
    lines = [
        f"{method} {target} HTTP/1.1",
        *(f"{name}: {text}" for name, text in all_headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def _exchange(url: str, request: bytes) -> bytes:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        parts.hostname,
        parts.port or (443 if secure else 80),
        ssl=ssl.create_default_context() if secure else None,
    )
    try:
        writer.write(request)
        with suppress(ConnectionError):  # an early answer may close before it has read all
            await writer.drain()
        return await reader.read(-1)
    finally:
        writer.close()
