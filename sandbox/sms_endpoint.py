"""What all SMS providers of the sandbox do alike: they take SMS, keep them, and fail as told."""

import asyncio
import gzip
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import ClassVar

from sandbox.faults import Fault, FaultBook, SmsFault
from sandbox.http_server import SandboxReply, SendMode
from sandbox.http_wire import Request
from sandbox.report_sender import ReportSender

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
SENDER = re.compile(r"[A-Za-z][A-Za-z0-9]{2,10}")
_LEVELS = 5000
_MANY_BYTES = 64 * 1024 * 1024

Struck = dict[str, Fault]
Fields = Mapping[str, str]


@dataclass(slots=True)
class Sms:
    """An SMS that was accepted. `status` changes from created to delivered or failed."""

    id: str
    sender: str
    to: str
    message: str
    parts: int
    created: str
    status: str = "created"
    whendelivered: str = ""
    dryrun: bool = False
    dontlog: str = ""

    def listing(self) -> dict[str, object]:
        listed = asdict(self)
        return {"id": listed.pop("id"), "from": listed.pop("sender"), **listed}


class SmsEndpoint(ABC):
    """Accepts messages and keeps them in `caught`.

    A provider says what it refuses, how it reads a request, and how it answers and reports.
    """

    target: ClassVar[str]  # the name of the provider in the control API

    def __init__(self, faults: FaultBook, reports: ReportSender, credentials: str) -> None:
        self.caught: list[Sms] = []
        self._faults = faults
        self._reports = reports
        self._credentials = credentials

    @abstractmethod
    def refusal(self, request: Request) -> SandboxReply | None:
        """Why the request is not even looked at: path, method, login."""

    @abstractmethod
    def fields(self, request: Request) -> Fields | SandboxReply:
        """The fields of the message, or the answer that names the wrong one."""

    @abstractmethod
    def sms(self, fields: Fields) -> Sms: ...

    @abstractmethod
    def answer(self, sms: Sms) -> SandboxReply: ...

    @abstractmethod
    def report(self, sms: Sms) -> tuple[str, bytes]:
        """Content type and body of a delivery report."""

    def __call__(self, request: Request) -> SandboxReply | Awaitable[SandboxReply]:
        if refusal := self.refusal(request):
            return refusal
        fields = self.fields(request)
        if isinstance(fields, SandboxReply):
            return fields
        struck = self._faults.strike(self.target)
        return self._take_struck(fields, struck) if struck else self._take(fields, struck)

    async def _take_struck(self, fields: Fields, struck: Struck) -> SandboxReply:
        if latency := struck.get(SmsFault.LATENCY):
            await asyncio.sleep(latency.terms.latency_seconds)
        if hang := struck.get(SmsFault.HANG):
            await hang.until_over()
            return SandboxReply(503, b"Service unavailable")
        if refusal := _refused(struck):
            return _badly_delivered(refusal, struck)
        reply = self._take(fields, struck)
        if mute := struck.get(SmsFault.TIMEOUT_AFTER_ACCEPT):
            await mute.until_over()
        if SmsFault.HANG_UP_AFTER_ACCEPT in struck:
            return SandboxReply(delivery=SendMode.NOTHING)
        return _badly_delivered(reply, struck)

    def _take(self, fields: Fields, struck: Struck) -> SandboxReply:
        sms = self.sms(fields)
        self.caught.append(sms)
        reply = self.answer(sms)
        if not sms.dryrun:
            outcome = "failed" if SmsFault.UNDELIVERED in struck else "delivered"
            self._reports.follow(sms, outcome, self.report)
        return reply


def _refused(struck: Struck) -> SandboxReply | None:
    if SmsFault.HANG_UP in struck:
        return SandboxReply(delivery=SendMode.NOTHING)
    if too_many := struck.get(SmsFault.TOO_MANY):
        return SandboxReply(429, b"Too many requests", headers=_retry_after(too_many))
    for kind, status in ((SmsFault.FAULT, 500), (SmsFault.REFUSE, 400)):
        if fault := struck.get(kind):
            text = fault.terms.text.encode()
            return SandboxReply(fault.terms.status or status, text, headers=_retry_after(fault))
    return None


def _retry_after(fault: Fault) -> tuple[tuple[str, str], ...]:
    text = fault.terms.retry_after
    return () if text is None else (("Retry-After", text),)


def _badly_delivered(reply: SandboxReply, struck: Struck) -> SandboxReply:
    """`reply` as a failing or hostile provider would send it."""
    if SmsFault.GARBAGE in struck:
        reply = replace(reply, body=b"<html>welcome</html>", content_type="text/html")
    if SmsFault.DEEP_JSON in struck:
        reply = replace(reply, body=b"[" * _LEVELS)
    if SmsFault.TOO_LARGE in struck:
        reply = replace(reply, body=b" " * _MANY_BYTES + reply.body)
    if SmsFault.GZIP_BOMB in struck:
        gzipped = (("Content-Encoding", "gzip"), *reply.headers)
        reply = replace(reply, body=_bomb(), headers=gzipped)
    if drip := struck.get(SmsFault.SLOW_DRIP):
        seconds = drip.terms.drip_seconds
        reply = replace(reply, delivery=SendMode.DRIP, drip_seconds=seconds)
    return reply


@cache
def _bomb() -> bytes:
    return gzip.compress(b" " * _MANY_BYTES)
