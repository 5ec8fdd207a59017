"""`POST /xms/v1/{plan}/batches` and callbacks, as in docs/domain.md, "The SMS provider Sinch"."""

import json
import secrets
from datetime import UTC, datetime
from typing import Any, ClassVar

from sandbox.http_server import SandboxReply
from sandbox.http_wire import Request
from sandbox.routing import json_reply
from sandbox.sms_endpoint import E164, SENDER, Fields, Sms, SmsEndpoint
from shared.booking import gsm

PLAN = "sandbox"
PATH = f"/xms/v1/{PLAN}/batches"
TARGET = "sinch"

_FIELDS = {"from", "to", "body", "type", "client_reference", "delivery_report", "callback_url"}
_REPORTS = {"none", "summary", "full", "per_recipient", "per_recipient_final"}
_LONGEST_BODY, _LONGEST_REFERENCE = 2000, 2048
_CODES = {"delivered": ("Delivered", 0), "failed": ("Failed", 402)}


class SinchProvider(SmsEndpoint):
    """Sinch, batches of one recipient. `credentials`: the API token; "" accepts any."""

    target: ClassVar[str] = TARGET

    def refusal(self, request: Request) -> SandboxReply | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if request.path != PATH:
            return SandboxReply(404)
        if scheme != "Bearer" or token != (self._credentials or token):
            return SandboxReply(401)
        if request.method == "GET":
            return json_reply({"count": 0, "page": 0, "page_size": 0, "batches": []})
        if request.method != "POST":
            return SandboxReply(405)
        right = request.headers.get("content-type", "").startswith("application/json")
        return None if right else SandboxReply(415)

    def fields(self, request: Request) -> Fields | SandboxReply:
        try:
            batch = json.loads(request.body)
        except ValueError:
            return _error("syntax_invalid_json", "the body is not JSON")
        fault = wrong_field(batch)
        return _error(*fault) if fault else {**batch, "to": batch["to"][0]}

    def sms(self, fields: Fields) -> Sms:
        return Sms(
            id=f"01{secrets.token_hex(12).upper()}",
            sender=fields["from"],
            to=fields["to"],
            message=fields["body"],
            parts=gsm.parts(fields["body"]),
            created=_now(),
            whendelivered=_callback(fields),
        )

    def answer(self, sms: Sms) -> SandboxReply:
        batch = {
            "id": sms.id, "to": [sms.to], "from": sms.sender, "canceled": False,
            "body": sms.message, "type": "mt_text",
            "created_at": sms.created, "modified_at": sms.created,
        }  # fmt: skip
        return json_reply(batch, 201)

    def report(self, sms: Sms) -> tuple[str, bytes]:
        """The report of one recipient; one of `Dispatched` comes before the final one."""
        status, code = _CODES.get(sms.status, ("Dispatched", 401))
        told = {
            "type": "recipient_delivery_report_sms", "batch_id": sms.id, "recipient": sms.to,
            "code": code, "status": status, "at": _now(),
        }  # fmt: skip
        return "application/json", json.dumps(told).encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _callback(fields: Fields) -> str:
    return fields.get("callback_url", "") if fields.get("delivery_report", "none") != "none" else ""


def _error(code: str, text: str) -> SandboxReply:
    return json_reply({"code": code, "text": text}, 400)


def wrong_field(batch: Any) -> tuple[str, str] | None:
    """The provider's error code and text about these fields; None when they are right."""
    if not isinstance(batch, dict):
        return "syntax_invalid_json", "the body is not an object"
    if unknown := sorted(batch.keys() - _FIELDS):
        return "syntax_constraint_violation", f"{unknown[0]}: unknown field"
    match batch:
        case {"to": [str(number)]} if not E164.fullmatch(number):
            return "syntax_invalid_parameter_format", f"to: {number} is not a valid number"
        case {"to": [str()], "from": str(sender), "body": str(body)}:
            return _wrong_text(batch, sender, body)
    return "syntax_constraint_violation", "to, from and body are required"


def _wrong_text(batch: dict[str, Any], sender: str, body: str) -> tuple[str, str] | None:
    if not SENDER.fullmatch(sender):
        return "syntax_invalid_parameter_format", "from: not a valid originator"
    if not 0 < len(body) <= _LONGEST_BODY:
        return "syntax_constraint_violation", "body: 1 to 2000 characters"
    if len(batch.get("client_reference", "")) > _LONGEST_REFERENCE:
        return "syntax_constraint_violation", "client_reference: too long"
    if batch.get("delivery_report", "none") not in _REPORTS:
        return "syntax_constraint_violation", "delivery_report: unknown kind"
    return None
