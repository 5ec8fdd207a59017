"""Routes method and path to a function, for JSON over HTTP."""

import inspect
import json
from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.http_server import SandboxReply
from sandbox.http_wire import Request

Endpoint = Callable[..., Any]


class RequestRefused(Exception):
    """The request is refused with HTTP status `status`; the text says why."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def json_reply(value: object, status: int = 200) -> SandboxReply:
    return SandboxReply(status, json.dumps(value, ensure_ascii=False).encode(), "application/json")


def json_body(request: Request) -> Any:
    """The JSON in the body. Raises `RequestRefused`."""
    try:
        return json.loads(request.body)
    except ValueError:
        raise RequestRefused("the body is not JSON") from None


class Router:
    """Endpoints by method and path; `{…}` in a path matches one part, passed on in order.

    An endpoint takes the request and those parts, and returns what becomes JSON.
    """

    def __init__(self) -> None:
        self._routes: list[tuple[str, list[str], Endpoint]] = []

    def add(self, method: str, path: str, endpoint: Endpoint) -> None:
        self._routes.append((method, path.strip("/").split("/"), endpoint))

    def __call__(self, request: Request) -> SandboxReply | Awaitable[SandboxReply]:
        segments = request.segments
        found = {method: (run, path) for method, path, run in self._routes if _fits(path, segments)}
        if not found:
            return json_reply({"error": f"no such path: {request.path}"}, 404)
        if request.method not in found:
            allowed = ", ".join(sorted(found))
            return json_reply({"error": f"{request.method} is not one of {allowed} here"}, 405)
        run, path = found[request.method]
        parts = [part for name, part in zip(path, segments, strict=True) if name[0] == "{"]
        return _answer(run, request, parts)


def _fits(path: list[str], segments: list[str]) -> bool:
    return len(path) == len(segments) and all(
        name[0] == "{" or name == part for name, part in zip(path, segments, strict=True)
    )


def _answer(
    endpoint: Endpoint, request: Request, parts: list[str]
) -> SandboxReply | Awaitable[SandboxReply]:
    try:
        result = endpoint(request, *parts)
    except RequestRefused as refusal:
        return json_reply({"error": str(refusal)}, refusal.status)
    return _answer_later(result) if inspect.isawaitable(result) else json_reply(result)


async def _answer_later(result: Awaitable[object]) -> SandboxReply:
    try:
        return json_reply(await result)
    except RequestRefused as refusal:
        return json_reply({"error": str(refusal)}, refusal.status)
