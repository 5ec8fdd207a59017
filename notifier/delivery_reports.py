"""Delivery reports of the SMS provider: a small HTTP endpoint beside the stage.

`POST /sms-reports/<secret>/<notice id>`, a form with `id` and `status` (DOMAIN, "The notice"). The
path names our notice, so a report finds it also when we never learned the provider's id: it is
what settles an uncertain one. Anything but 2xx makes the provider send the report again.
"""

import asyncio
import hmac
import socket
from collections.abc import Callable
from threading import Thread
from urllib.parse import parse_qs

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from notifier.handler import Observer
from shared.base.addresses import split_bind
from shared.base.errors import Unavailable
from shared.booking.notices import Channel, NoticeStatus

log = structlog.get_logger()

_PATH = "/sms-reports"
_LARGEST_BODY = 10_000
_READ_SECONDS = 10
_MOST_AT_ONCE = 50

_STATUSES = {"delivered": NoticeStatus.DELIVERED, "failed": NoticeStatus.FAILED}

#: Writes a report down; whether it changed anything. As `NoticeStore.report`.
Record = Callable[[str, NoticeStatus, str], bool]


def report_url(public_url: str, secret: str) -> str:
    """Where the provider is told to send reports; the notice's id is still to be appended."""
    return f"{public_url.rstrip('/')}{_PATH}/{secret}"


class DeliveryReports:
    """Serves the endpoint on a thread of its own. Raises OSError when `bind` cannot be had."""

    def __init__(self, bind: str, secret: str, record: Record, observe: Observer) -> None:
        self._socket = socket.create_server(split_bind(bind))
        application = _Endpoint(secret, record, observe).application
        config = uvicorn.Config(
            application,
            access_log=False,  # its paths hold the secret
            log_config=None,
            lifespan="off",
            server_header=False,
            limit_concurrency=_MOST_AT_ONCE,
            timeout_graceful_shutdown=_READ_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = Thread(
            target=self._server.run, args=([self._socket],), name="delivery-reports", daemon=True
        )

    @property
    def url(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"http://{host}:{port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


class _Endpoint:
    def __init__(self, secret: str, record: Record, observe: Observer) -> None:
        self._secret = secret.encode()
        self._record = record
        self._observe = observe
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
        return await run_in_threadpool(self._judge, request.path_params["notice_id"], body)

    def _judge(self, notice_id: str, body: bytes) -> Response:
        """2xx also for what is unknown, said before or says nothing new: a repeat tells no more."""
        form = parse_qs(body.decode(errors="replace"))
        status = _STATUSES.get(form.get("status", [""])[0])
        if status is None:
            return Response(status_code=204)
        try:
            changed = self._record(notice_id, status, form.get("id", [""])[0])
        except Unavailable as outage:
            log.warning("delivery_report_postponed", reason=outage.reason)
            return PlainTextResponse("try again\n", 503)
        if changed:
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
