"""`/healthz` (the process lives), `/readyz` (it can do its work) and `/metrics`, over HTTP."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.base.addresses import split_bind
from shared.stage.side_port import SidePort

#: Two or three probes and scrapes come at a time.
_MAX_CONNECTIONS = 32
#: How long checks may take; a probe would give up by then.
_CHECK_SECONDS = 5

Checks = Mapping[str, Callable[[], bool]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def readiness(checks: Checks) -> tuple[bool, dict[str, bool]]:
    """Whether all checks pass, and the result of each."""
    answers = {name: bool(check()) for name, check in checks.items()}
    return all(answers.values()), answers


class HealthServer:
    """Serves health and metrics beside a stage. Raises OSError when `bind` is taken."""

    def __init__(self, bind: str, checks: Checks) -> None:
        pages = _Pages(checks)
        self._port = SidePort("health", split_bind(bind), pages, max_connections=_MAX_CONNECTIONS)
        self.url = self._port.url
        self.start = self._port.start
        self.stop = self._port.stop


class _Pages:
    """The ASGI application. Concurrent requests share one run of the checks."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._thread = ThreadPoolExecutor(1, "readiness")
        self._checking: asyncio.Future[tuple[bool, dict[str, bool]]] | None = None

    async def __call__(self, scope: Mapping[str, Any], _receive: object, send: Send) -> None:
        status, content_type, body = await self._page(scope)
        headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _page(self, scope: Mapping[str, Any]) -> tuple[int, str, bytes]:
        if scope["method"] not in {"GET", "HEAD"}:
            return 405, "text/plain", b"only GET\n"
        match scope["path"]:
            case "/healthz":
                return 200, "text/plain", b"ok\n"
            case "/readyz":
                ready, answers = await self._readiness()
                return 200 if ready else 503, "application/json", json.dumps(answers).encode()
            case "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest()
            case _:
                return 404, "text/plain", b"no such page\n"

    async def _readiness(self) -> tuple[bool, dict[str, bool]]:
        """The checks' answers; all false when they take too long."""
        if self._checking is None or self._checking.done():
            loop = asyncio.get_running_loop()
            self._checking = loop.run_in_executor(self._thread, readiness, self._checks)
        try:
            return await asyncio.wait_for(asyncio.shield(self._checking), _CHECK_SECONDS)
        except TimeoutError:
            return False, dict.fromkeys(self._checks, False)
