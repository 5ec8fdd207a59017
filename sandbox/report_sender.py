"""Delivery reports, sent to the address that the sender of the SMS asked for.

First "sent", then "delivered" or "failed", each repeated until it is answered 2xx.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

import structlog

from sandbox.http_client import NoAnswer, post

_log = structlog.get_logger()

_PATIENCE_SECONDS = 10
_ATTEMPTS = 200  # the provider repeats for hours


class Followed(Protocol):
    """The fields of an SMS that its reports contain."""

    id: str
    status: str
    whendelivered: str


Sms = TypeVar("Sms", bound=Followed)
#: Content type and body of a report.
Encode = Callable[[Sms], tuple[str, bytes]]


class ReportSender:
    """Sends the reports, with `pause_seconds` between states and between repetitions."""

    def __init__(self, pause_seconds: float) -> None:
        self._pause_seconds = pause_seconds
        self._running: set[asyncio.Task[None]] = set()

    def follow(self, sms: Sms, outcome: str, encode: "Encode[Sms]") -> None:
        """Set the state of `sms` to sent and then to `outcome`, and report both."""
        task = asyncio.get_running_loop().create_task(self._follow(sms, outcome, encode))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _follow(self, sms: Sms, outcome: str, encode: "Encode[Sms]") -> None:
        for status in ("sent", outcome):
            await asyncio.sleep(self._pause_seconds)
            sms.status = status
            if sms.whendelivered:
                await self._report(sms, *encode(sms))

    async def _report(self, sms: Followed, content_type: str, body: bytes) -> None:
        for _ in range(_ATTEMPTS):
            if await _taken(sms.whendelivered, content_type, body):
                return
            await asyncio.sleep(self._pause_seconds)
        _log.warning("delivery_report_given_up", sms_id=sms.id)


async def _taken(url: str, content_type: str, body: bytes) -> bool:
    headers = {"Content-Type": content_type}
    try:
        status, _ = await post(url, body, headers, _PATIENCE_SECONDS)
    except NoAnswer:
        return False
    return 200 <= status < 300
