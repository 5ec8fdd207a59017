"""`POST /a1/sms` and delivery reports, as in docs/domain.md, "The SMS provider 46elks"."""

import asyncio
import base64
import gzip
import re
import secrets
from collections.abc import Awaitable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from urllib.parse import parse_qs

from sandbox.faults import Fault, FaultBook, SmsFault
from sandbox.http_server import SandboxReply, SendMode
from sandbox.http_wire import Request
from sandbox.report_sender import ReportSender
from sandbox.routing import json_reply
from shared.booking import gsm

PATH = "/a1/sms"
TARGET = "sms"  # the name of the provider in the control API

_FIELDS = {"from", "to", "message", "whendelivered", "dryrun", "dontlog"}
_SENDER = re.compile(r"[A-Za-z][A-Za-z0-9]{2,10}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_COST_OF_A_PART = 5200  # in ten-thousandths of a krona
_LEVELS = 5000
_MANY_BYTES = 64 * 1024 * 1024

Struck = dict[str, Fault]


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

    def answer(self) -> dict[str, object]:
        cost = self.parts * _COST_OF_A_PART
        common = {"status": self.status, "from": self.sender, "to": self.to, "parts": self.parts}
        if self.dryrun:
            return {**common, "estimated_cost": cost}
        text = {} if self.dontlog == "message" else {"message": self.message}
        return {
            "id": self.id, "direction": "outgoing", "created": self.created, "cost": cost,
            **common, **text,
        }  # fmt: skip


class SmsProvider:
    """Accepts messages and keeps them in `caught`. `credentials`: user:password; "" accepts any."""

    def __init__(self, faults: FaultBook, reports: ReportSender, credentials: str) -> None:
        self.caught: list[Sms] = []
        self._faults = faults
        self._reports = reports
        self._credentials = credentials

    def __call__(self, request: Request) -> SandboxReply | Awaitable[SandboxReply]:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        form = {name: texts[-1] for name, texts in _form(request).items()}
        if fault := wrong_field(form):
            return SandboxReply(400, fault.encode())
        struck = self._faults.strike(TARGET)
        return self._take_struck(form, struck) if struck else self._take(form, struck)

    def _refusal(self, request: Request) -> SandboxReply | None:
        if request.path.rstrip("/") != PATH:
            return SandboxReply(404, b"Not found")
        if request.method != "POST":
            return SandboxReply(405, b"Method not allowed")
        if not self._admits(request.headers.get("authorization", "")):
            return SandboxReply(401, b"API access requires Basic HTTP authentication.")
        return None

    def _admits(self, authorization: str) -> bool:
        scheme, _, encoded = authorization.partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True).decode()
        except ValueError:
            return False
        wanted = self._credentials or given
        return scheme.lower() == "basic" and ":" in given and given == wanted

    async def _take_struck(self, form: dict[str, str], struck: Struck) -> SandboxReply:
        if latency := struck.get(SmsFault.LATENCY):
            await asyncio.sleep(latency.terms.latency_seconds)
        if hang := struck.get(SmsFault.HANG):
            await hang.until_over()
            return SandboxReply(503, b"Service unavailable")
        if refusal := _refused(struck):
            return _badly_delivered(refusal, struck)
        reply = self._take(form, struck)
        if mute := struck.get(SmsFault.TIMEOUT_AFTER_ACCEPT):
            await mute.until_over()
        return _badly_delivered(reply, struck)

    def _take(self, form: dict[str, str], struck: Struck) -> SandboxReply:
        sms = Sms(
            id=f"s{secrets.token_hex(16)}",
            sender=form["from"],
            to=form["to"],
            message=form["message"],
            parts=gsm.parts(form["message"]),
            created=datetime.now(UTC).isoformat(timespec="microseconds"),
            whendelivered=form.get("whendelivered", ""),
            dryrun=form.get("dryrun") == "yes",
            dontlog=form.get("dontlog", ""),
        )
        self.caught.append(sms)
        reply = json_reply(sms.answer())
        if not sms.dryrun:
            outcome = "failed" if SmsFault.UNDELIVERED in struck else "delivered"
            self._reports.follow(sms, outcome)
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


def _form(request: Request) -> dict[str, list[str]]:
    try:
        return parse_qs(request.body.decode(), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return {}


def wrong_field(form: dict[str, str]) -> str:
    """The provider's error text about these fields; "" when they are right."""
    for name in ("from", "to", "message"):
        if not form.get(name):
            return f"Missing key {name}"
    if unknown := sorted(form.keys() - _FIELDS):
        return f"Unknown key {unknown[0]}"
    if not _SENDER.fullmatch(form["from"]):
        return "Invalid from: 3-11 letters and digits, a letter first"
    if not _E164.fullmatch(form["to"]):
        return "Invalid to: not a phone number in E.164 format"
    return ""
