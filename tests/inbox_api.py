"""The inbox read API inside a test, and its answers held to its own description."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from httpx import Response
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from console.inbox_api.access import PATIENT_HEADER, Access, LoopbackAccess
from console.inbox_api.app import InboxApi, build_app, description
from shared.booking.inbox import MessageKind
from shared.booking.messages import BookingDetails
from shared.store.inbox_reading import MessageHead, MessagePage, Position, ReadableMessage
from shared.web.rates import RateLimit

PATIENT = "191212121212"
OTHER_PATIENT = "201212121212"
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
NAMED = {PATIENT_HEADER: PATIENT}


def a_message(number: int = 1, **values: Any) -> ReadableMessage:
    """The `number`th message; later numbers are newer."""
    defaults: dict[str, Any] = {
        "id": f"message{'abcdefghij'[number % 10]}",
        "kind": MessageKind.BOOKING_CONFIRMATION,
        "subject": "Bokad tid: Ögonmottagningen Sjöstad",
        "created_at": NOON + timedelta(minutes=number),
        "revision": 1,
        "starts": "20261203090000",
        "read": False,
        "has_calendar": True,
        "body_text": "Du har en bokad tid.\n",
        "body_html": "<p>Du har en bokad tid.</p>",
        "state": BookingDetails(
            starts="20261203090000",
            ends="20261203093000",
            rebook_allowed=True,
            cancel_allowed=True,
        ),
        "source_system": "SE2321000016-SYS1",
        "logical_address": "SE2321000016-1HZ5",
        "booking_id": "B1",
        "superseded_by": None,
    }
    return ReadableMessage(**{**defaults, **values})


class ReaderInMemory:
    """The messages of `PATIENT`."""

    def __init__(self, messages: Sequence[ReadableMessage] = ()) -> None:
        self.messages = sorted(messages, key=_place, reverse=True)
        self.marked: list[str] = []

    def page(self, patient: str, *, limit: int, after: Position | None = None) -> MessagePage:
        mine = self.messages if patient == PATIENT else []
        older = [one for one in mine if after is None or _place(one) < _values(after)]
        return MessagePage(older[:limit], len(older) > limit, sum(not one.read for one in mine))

    def message(self, patient: str, message_id: str) -> ReadableMessage | None:
        mine = self.messages if patient == PATIENT else []
        return next((one for one in mine if one.id == message_id), None)

    def calendar(self, patient: str, message_id: str) -> str | None:
        found = self.message(patient, message_id)
        return "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n" if found and found.has_calendar else None

    def mark_read(self, patient: str, message_id: str) -> bool:
        self.marked.append(message_id)
        return self.message(patient, message_id) is not None


def _place(message: MessageHead) -> tuple[datetime, int, str]:
    return _values(message.position)


def _values(place: Position) -> tuple[datetime, int, str]:
    return place.created_at, place.revision, place.id


def a_rate(burst: int = 10_000) -> RateLimit:
    return RateLimit(burst=burst, spacing=timedelta(hours=1))


def client_of(reader: Any, access: Access | None = None, **other: Any) -> TestClient:
    """`other`: named arguments of `InboxApi` in place of the usual ones."""
    usual = {"patient_rate": a_rate(), "service_rate": a_rate(), "clock": lambda: NOON}
    api = InboxApi(reader, access or LoopbackAccess(), **{**usual, **other})
    return TestClient(build_app(api), "http://127.0.0.1:8090", raise_server_exceptions=False)


@cache
def described() -> dict[str, Any]:
    said: dict[str, Any] = json.loads(description())
    return said


def check(answer: Response, operation_id: str) -> None:
    """Raise unless status, headers and body are as `openapi.json` says of that operation."""
    [operation] = (
        operation
        for path in described()["paths"].values()
        for operation in path.values()
        if operation["operationId"] == operation_id
    )
    response = _resolved(operation["responses"][str(answer.status_code)])
    assert set(response.get("headers", {})) <= {_title(name) for name in answer.headers}
    content = response.get("content", {})
    if not content:
        assert not answer.content
        return
    [(media_type, shape)] = content.items()
    assert answer.headers["Content-Type"].partition(";")[0] == media_type
    if media_type.endswith("json"):
        _validate(answer.json(), shape["schema"])


def _title(name: str) -> str:
    return {"etag": "ETag", "www-authenticate": "WWW-Authenticate"}.get(name, name.title())


def _resolved(part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    found: Any = described()
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found  # type: ignore[no-any-return]


def _validate(said: Any, schema: dict[str, Any]) -> None:
    whole = {**schema, "components": described()["components"]}
    checker = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator(whole, format_checker=checker).validate(said)
