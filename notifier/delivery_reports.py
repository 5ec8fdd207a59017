"""Delivery reports of the SMS providers: a small HTTP endpoint beside the stage.

`POST /sms-reports/<secret>/<provider>/<notice id>`, with a body that the provider's class reads
(`notifier.sms_provider`). The path names our notice, so a report finds it even if we never received
the provider's id, and decides an uncertain notice. 503 makes the provider send the report again.

A path without a provider is 46elks': reports of SMS that an earlier version sent may still come.
"""

import asyncio
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from notifier.handler import Observer
from notifier.sms_provider import REPORT_PATH, DeliveryReport, has_provider, provider_class
from shared.base.addresses import split_bind
from shared.base.errors import Unavailable
from shared.booking.notices import Channel, NoticeStatus
from shared.stage.side_port import SidePort

log = structlog.get_logger()

_LARGEST_BODY = 10_000
_READ_SECONDS = 10
_MAX_CONNECTIONS = 50
#: Reports stored at the same time; others wait.
_THREADS = 2

_EARLIER_PROVIDER = "46elks"

#: Stores a report; how many notices it changed. As `NoticeStore.report`.
Record = Callable[[str, NoticeStatus, str], int]


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
        paths = ("/{secret}/{notice_id}", "/{secret}/{provider}/{notice_id}")
        self.application = Starlette(
            routes=[Route(REPORT_PATH + path, self._take, methods=["POST"]) for path in paths]
        )

    async def _take(self, request: Request) -> Response:
        provider = request.path_params.get("provider", _EARLIER_PROVIDER)
        right = hmac.compare_digest(request.path_params["secret"].encode(), self._secret)
        if not right or not has_provider(provider):
            return PlainTextResponse("no such page\n", 404)
        try:
            body = await asyncio.wait_for(_body(request), _READ_SECONDS)
        except TimeoutError:
            return PlainTextResponse("too slow\n", 408)
        if body is None:
            return PlainTextResponse("too large\n", 413)
        loop = asyncio.get_running_loop()
        report = provider_class(provider).read_report(body)
        return await loop.run_in_executor(
            self._threads, self._judge, request.path_params["notice_id"], report
        )

    def _judge(self, notice_id: str, report: DeliveryReport | None) -> Response:
        """2xx also for what is unknown, repeated or no news: sending it again would not help."""
        if report is None:
            return Response(status_code=204)
        try:
            changed = self._record(notice_id, report.status, report.provider_id)
        except Unavailable as outage:
            log.warning("delivery_report_postponed", reason=outage.reason)
            return PlainTextResponse("try again\n", 503)
        for _ in range(changed):
            self._observe(Channel.SMS, report.status, "reported")
        return Response(status_code=204)


async def _body(request: Request) -> bytes | None:
    """The whole body; None when it is larger than any report is."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            return None
    return body
