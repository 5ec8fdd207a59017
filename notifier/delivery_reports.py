"""Delivery reports of the SMS provider: a small HTTP endpoint beside the stage.

`POST /sms-reports/<secret>/<notice id>`, a form with `id` and `status`
(docs/domain.md, "The SMS provider 46elks"). The path names our notice, so a report
finds it even if we never received the provider's id, and decides an
uncertain notice. Anything but 2xx makes the provider send the report again.
"""

import asyncio
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from notifier.handler import Observer
from shared.base.addresses import split_bind
from shared.base.errors import Unavailable
from shared.booking.notices import Channel, NoticeStatus
from shared.stage.side_port import SidePort

log = structlog.get_logger()

_PATH = "/sms-reports"
_LARGEST_BODY = 10_000
_READ_SECONDS = 10
_MAX_CONNECTIONS = 50
#: Reports stored at the same time; others wait.
_THREADS = 2

_STATUSES = {"delivered": NoticeStatus.DELIVERED, "failed": NoticeStatus.FAILED}

#: Stores a report; how many notices it changed. As `NoticeStore.report`.
Record = Callable[[str, NoticeStatus, str], int]


def report_url(public_url: str, secret: str) -> str:
    """The address that the provider sends reports to; the notice's id is appended to it."""
    return f"{public_url.rstrip('/')}{_PATH}/{secret}"


class DeliveryReports:
    """Serves the endpoint beside the stage. Raises OSError when `bind` cannot be had."""

    def __init__(self, bind: str, secret: str, record: Record, observe: Observer) -> None:
        application = _Endpoint(secret, record, observe).application
        self._port = SidePort(
            "delivery-reports", split_bind(bind), application, max_connections=_MAX_CONNECTIONS
        )
        self.url = self._port.url
        self.start = self._port.start
        self.stop = self._port.stop


class _Endpoint:
    def __init__(self, secret: str, record: Record, observe: Observer) -> None:
        self._secret = secret.encode()
        self._record = record
        self._observe = observe
        self._threads = ThreadPoolExecutor(_THREADS, "delivery-reports")
        route = Route(_PATH + "/{secret}/{notice_id}", self._take, methods=["POST"])
        self.application = Starlette(routes=[route])

    async def _take(self, request: Request) -> Response:
        if not hmac.compare_digest(request.path_params["secret"].encode(), self._secret):
            return PlainTextResponse("no such page\n", 404)
        try:
            body = await asyncio.wait_for(_body(request), _READ_SECONDS)
        except TimeoutError:
            return PlainTextResponse("too slow\n", 408)
        if body is None:
            return PlainTextResponse("too large\n", 413)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, self._judge, request.path_params["notice_id"], body
        )

    def _judge(self, notice_id: str, body: bytes) -> Response:
        """2xx also for what is unknown, repeated or no news: sending it again would not help."""
        form = parse_qs(body.decode(errors="replace"))
        status = _STATUSES.get(form.get("status", [""])[0])
        if status is None:
            return Response(status_code=204)
        try:
            changed = self._record(notice_id, status, form.get("id", [""])[0])
        except Unavailable as outage:
            log.warning("delivery_report_postponed", reason=outage.reason)
            return PlainTextResponse("try again\n", 503)
        for _ in range(changed):
            self._observe(Channel.SMS, status, "reported")
        return Response(status_code=204)


async def _body(request: Request) -> bytes | None:
    """The whole body; None when it is larger than any report is."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            return None
    return body
