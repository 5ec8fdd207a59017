"""The API's operations. `openapi.json` beside this file describes them, and a test holds both to
each other.
"""

import re
import time
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.inbox_api import cursors
from console.inbox_api.access import Access, Caller
from console.inbox_api.metrics import REQUEST_SECONDS
from console.inbox_api.problems import Problem, no_such_message
from console.inbox_api.replies import json_reply, tagged_reply, with_headers
from console.inbox_api.views import message_view, page_view
from shared.base.clock import Clock, utcnow
from shared.store.engine import DatabaseUnavailable
from shared.store.inbox_reading import MessagePage, Position, ReadableMessage
from shared.web.headers import SecurityHeaders
from shared.web.rates import RateLimit

log = structlog.get_logger()

#: Messages of one page: of a request that names no number, and the most.
USUAL_PAGE, LARGEST_PAGE = 20, 100
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
_QUERY = {"limit", "cursor"}

Operation = Callable[[Request, str], Response]


class Reader(Protocol):
    """What is read and marked: `InboxReader`. Methods raise `DatabaseUnavailable`."""

    def page(self, patient: str, *, limit: int, after: Position | None = None) -> MessagePage: ...
    def message(self, patient: str, message_id: str) -> ReadableMessage | None: ...
    def calendar(self, patient: str, message_id: str) -> str | None: ...
    def mark_read(self, patient: str, message_id: str) -> bool: ...


class InboxApi:
    """The operations. They run on threads, since they wait for the database."""

    def __init__(
        self,
        reader: Reader,
        access: Access,
        *,
        patient_rate: RateLimit,
        service_rate: RateLimit,
        clock: Clock = utcnow,
    ) -> None:
        self._reader = reader
        self._access = access
        self._rates = {False: patient_rate, True: service_rate}
        self._clock = clock

    def routes(self) -> list[Route]:
        message = "/v1/messages/{message_id}"
        return [
            Route("/v1/messages", self._guarded(self.list_messages), methods=["GET"]),
            Route(message, self._guarded(self.get_message), methods=["GET"]),
            Route(f"{message}/calendar", self._guarded(self.get_calendar), methods=["GET"]),
            Route(f"{message}/read", self._guarded(self.mark_read), methods=["PUT"]),
            Route("/openapi.json", describe, methods=["GET"]),
        ]

    def list_messages(self, request: Request, patient: str) -> Response:
        limit, after = _page_asked_for(request)
        return json_reply(request, page_view(self._reader.page(patient, limit=limit, after=after)))

    def get_message(self, request: Request, patient: str) -> Response:
        message = self._reader.message(patient, _message_id(request))
        if message is None:
            raise no_such_message()
        return json_reply(request, message_view(message, self._clock()))

    def get_calendar(self, request: Request, patient: str) -> Response:
        calendar = self._reader.calendar(patient, _message_id(request))
        if calendar is None:
            detail = "the patient has no such message, or it has no calendar file"
            raise Problem(HTTPStatus.NOT_FOUND, detail, "path message_id")
        shown = 'attachment; filename="besok.ics"'
        return tagged_reply(
            request, calendar, "text/calendar; charset=utf-8", Content_Disposition=shown
        )

    def mark_read(self, request: Request, patient: str) -> Response:
        if not self._reader.mark_read(patient, _message_id(request)):
            raise no_such_message()
        return Response(status_code=HTTPStatus.NO_CONTENT)

    def _guarded(self, operation: Operation) -> Callable[[Request], Response]:
        """`operation` for the patient of the request, if the caller may; counted and timed."""

        def answer(request: Request) -> Response:
            began = time.perf_counter()
            response = with_headers(self._answer(operation, request))
            seconds = REQUEST_SECONDS.labels(operation.__name__, response.status_code)
            seconds.observe(time.perf_counter() - began)
            return response

        return answer

    def _answer(self, operation: Operation, request: Request) -> Response:
        try:
            caller = self._access.caller_of(request.headers)
            self._count(caller)
            return operation(request, caller.patient)
        except Problem as problem:
            return problem.response()
        except DatabaseUnavailable as error:
            log.warning("inbox_unavailable", error=str(error))
            detail = "the database is unavailable"
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, Retry_After="5").response()

    def _count(self, caller: Caller) -> None:
        if not self._rates[caller.is_service].takes(caller.name):
            detail = "there were too many requests"
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, Retry_After="1")


def build_app(api: InboxApi) -> Starlette:
    return Starlette(
        routes=api.routes(),
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={HTTPException: _no_such_page, Exception: _bug},
    )


def describe(request: Request) -> Response:
    """The description of this API, which says nothing of anybody."""
    shown = {"Cache_Control": "public, max-age=300", "Vary": "Accept-Encoding"}
    return with_headers(tagged_reply(request, description(), "application/json", **shown))


@cache
def description() -> str:
    return (Path(__file__).parent / "openapi.json").read_text(encoding="utf-8")


def _page_asked_for(request: Request) -> tuple[int, Position | None]:
    """Limit and place. Raises `Problem`."""
    query = request.query_params
    if set(query) - _QUERY:
        raise Problem(HTTPStatus.BAD_REQUEST, "there are only limit and cursor", "query")
    try:
        limit = _number(query.get("limit", str(USUAL_PAGE)))
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error), "query limit") from None
    try:
        return limit, cursors.decode(query["cursor"]) if "cursor" in query else None
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error), "query cursor") from None


def _number(text: str) -> int:
    if re.fullmatch("[0-9]{1,4}", text, re.ASCII) and 1 <= int(text) <= LARGEST_PAGE:
        return int(text)
    raise ValueError(f"is no number from 1 to {LARGEST_PAGE}")


def _message_id(request: Request) -> str:
    """Raises `Problem` for what no id looks like: a database refuses some characters."""
    message_id: str = request.path_params["message_id"]
    if not _MESSAGE_ID.fullmatch(message_id):
        raise no_such_message()
    return message_id


def _no_such_page(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as it was registered
    problem = Problem(HTTPStatus(error.status_code), "see /openapi.json for what there is")
    problem.headers.update(error.headers or {})
    return with_headers(problem.response())


def _bug(_request: Request, error: Exception) -> Response:
    log.error("inbox_request_failed", exc_info=error)
    return with_headers(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "see the log").response())
