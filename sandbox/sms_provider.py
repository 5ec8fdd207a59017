"""`POST /a1/sms` and delivery reports, as in docs/domain.md, "The SMS provider 46elks"."""

import base64
import secrets
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import parse_qs, urlencode

from sandbox.http_server import SandboxReply
from sandbox.http_wire import Request
from sandbox.routing import json_reply
from sandbox.sms_endpoint import E164, SENDER, Fields, Sms, SmsEndpoint
from shared.booking import gsm

PATH = "/a1/sms"
TARGET = "sms"

_FIELDS = {"from", "to", "message", "whendelivered", "dryrun", "dontlog"}
_COST_OF_A_PART = 5200  # in ten-thousandths of a krona


class SmsProvider(SmsEndpoint):
    """46elks. `credentials`: user:password; "" accepts any."""

    target: ClassVar[str] = TARGET

    def refusal(self, request: Request) -> SandboxReply | None:
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

    def fields(self, request: Request) -> Fields | SandboxReply:
        form = {name: texts[-1] for name, texts in _form(request).items()}
        fault = wrong_field(form)
        return SandboxReply(400, fault.encode()) if fault else form

    def sms(self, fields: Fields) -> Sms:
        return Sms(
            id=f"s{secrets.token_hex(16)}",
            sender=fields["from"],
            to=fields["to"],
            message=fields["message"],
            parts=gsm.parts(fields["message"]),
            created=datetime.now(UTC).isoformat(timespec="microseconds"),
            whendelivered=fields.get("whendelivered", ""),
            dryrun=fields.get("dryrun") == "yes",
            dontlog=fields.get("dontlog", ""),
        )

    def answer(self, sms: Sms) -> SandboxReply:
        cost = sms.parts * _COST_OF_A_PART
        common = {"status": sms.status, "from": sms.sender, "to": sms.to, "parts": sms.parts}
        if sms.dryrun:
            return json_reply({**common, "estimated_cost": cost})
        text = {} if sms.dontlog == "message" else {"message": sms.message}
        own = {"id": sms.id, "direction": "outgoing", "created": sms.created, "cost": cost}
        return json_reply({**own, **common, **text})

    def report(self, sms: Sms) -> tuple[str, bytes]:
        form = {"id": sms.id, "status": sms.status}
        if sms.status == "delivered":
            form["delivered"] = datetime.now(UTC).isoformat(timespec="microseconds")
        return "application/x-www-form-urlencoded", urlencode(form).encode()


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
    if not SENDER.fullmatch(form["from"]):
        return "Invalid from: 3-11 letters and digits, a letter first"
    if not E164.fullmatch(form["to"]):
        return "Invalid to: not a phone number in E.164 format"
    return ""
