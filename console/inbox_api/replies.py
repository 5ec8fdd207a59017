"""Answers with their ETag, and 304 for who has them already (RFC 9110, section 13)."""

import hashlib
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

#: What one patient reads is kept by nobody on the way, and not in a browser's cache.
_HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Vary": "Authorization, Budkavle-Patient",
}


def json_reply(request: Request, said: Any) -> Response:
    return tagged_reply(request, json.dumps(said, ensure_ascii=False), "application/json")


def tagged_reply(request: Request, text: str, media_type: str, **headers: str) -> Response:
    body = text.encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if _holds(request.headers.get("If-None-Match", ""), etag):
        return Response(status_code=304, headers={"ETag": etag})
    return Response(body, 200, {"ETag": etag, **named}, media_type)


def with_headers(response: Response) -> Response:
    """The headers of every answer; an answer's own stand."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _holds(if_none_match: str, etag: str) -> bool:
    """By the weak comparison, as for If-None-Match."""
    given = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return bool(given & {"*", etag})
