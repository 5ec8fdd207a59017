"""The one way to every page: who asks, may they, is the form ours; and what an error looks like."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote

import structlog
import typer
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from console.exits import ExitCode, Refused, explained
from console.web.access import Door, Role, Viewer
from console.web.sessions import Sessions
from console.web.site import Site
from console.web.visits import Denied, NoPage, Page, Stream, TooMany, Visit
from shared.base.redaction import redact
from shared.web.forms import form_token, is_own_form
from shared.web.texts import language_of

log = structlog.get_logger()

Endpoint = Callable[[Request], Awaitable[Response]]

#: A stream ends after so many seconds; the browser asks again, and whether it may is asked again.
_STREAM_SECONDS = 300
_STATUS = {
    ExitCode.NOTHING_FOUND: HTTPStatus.NOT_FOUND,
    ExitCode.USAGE: HTTPStatus.BAD_REQUEST,
    ExitCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Corridor:
    """Makes routes of pages."""

    def __init__(self, site: Site, door: Door, sessions: Sessions) -> None:
        self._site = site
        self._door = door
        self._sessions = sessions

    def route(self, page: Page | Stream) -> BaseRoute:
        if isinstance(page, Stream):
            return Route(page.path, self._stream_endpoint(page), methods=["GET"])
        return Route(page.path, self._page_endpoint(page), methods=[page.method])

    def _page_endpoint(self, page: Page) -> Endpoint:
        async def answer(request: Request) -> Response:
            try:
                visit = await self._visit(request, page.role)
                self._sessions.keep_alive(request)
                return await asyncio.to_thread(page.function, visit)
            except _NotKnown:
                return self._to_login(request)
            except Exception as error:  # noqa: BLE001 - it becomes a page, and a bug is logged
                return self.error_page(request, error)

        return answer

    def _stream_endpoint(self, stream: Stream) -> Endpoint:
        async def answer(request: Request) -> Response:
            try:
                visit = await self._visit(request, stream.role)
            except (_NotKnown, Denied):
                return Response(status_code=HTTPStatus.NO_CONTENT)  # the browser asks no more
            events = _for_a_while(stream.function(visit))
            return StreamingResponse(events, media_type="text/event-stream")

        return answer

    async def _visit(self, request: Request, role: Role) -> Visit:
        """Raises `_NotKnown` and `Denied`."""
        viewer = self._door.viewer(request)
        if viewer is None:
            raise _NotKnown
        if not viewer.may(role):
            log.warning("page_refused", by=viewer.name, role=role)
            raise Denied("denied.role")
        form = QueryParams(await request.body()) if request.method == "POST" else QueryParams()
        if request.method == "POST" and not is_own_form(request, form.get("csrf", "")):
            raise Denied("denied.form")
        return self._visit_of(request, viewer, form)

    def _visit_of(self, request: Request, viewer: Viewer, form: QueryParams) -> Visit:
        return Visit(
            site=self._site,
            viewer=viewer,
            language=language_of(request.headers.get("Accept-Language", "")),
            address=request.url.path,
            path=request.path_params,
            query=request.query_params,
            form=form,
            token=form_token(request),
            is_part="HX-Request" in request.headers,
        )

    def _to_login(self, request: Request) -> Response:
        if not self._door.login:
            return self.error_page(request, Denied("denied.nobody"))
        if "HX-Request" in request.headers:
            return Response(headers={"HX-Refresh": "true"})
        back = quote(request.url.path, safe="") if request.method == "GET" else ""
        return RedirectResponse(f"{self._door.login}?next={back}", HTTPStatus.SEE_OTHER)

    def error_page(self, request: Request, error: Exception) -> Response:
        """What went wrong, in words; a bug is logged with its traceback."""
        status, text, detail = _described(error)
        viewer = self._door.viewer(request) or Viewer("", frozenset())
        visit = self._visit_of(request, viewer, QueryParams())
        return visit.render("error.html", status=status, text=visit.t(text), detail=redact(detail))


class _NotKnown(Exception):
    """Nobody has said who asks."""


def _described(error: Exception) -> tuple[int, str, str]:
    """Status, name of the text, and details."""
    match error:
        case Denied():
            return HTTPStatus.FORBIDDEN, error.text, ""
        case TooMany():
            return HTTPStatus.TOO_MANY_REQUESTS, "denied.too_many", ""
        case NoPage():
            return HTTPStatus.NOT_FOUND, "denied.no_page", ""
        case HTTPException():
            text = (
                "denied.no_page" if error.status_code == HTTPStatus.NOT_FOUND else "denied.failed"
            )
            return error.status_code, text, ""
        case Refused():
            return _STATUS.get(error.code, HTTPStatus.CONFLICT), "denied.refused", str(error)
        case typer.BadParameter():
            return HTTPStatus.BAD_REQUEST, "denied.refused", error.message
    if known := explained(error):
        return _STATUS.get(known[1], HTTPStatus.INTERNAL_SERVER_ERROR), "denied.failed", known[0]
    log.error("page_failed", exc_info=error)
    return HTTPStatus.INTERNAL_SERVER_ERROR, "denied.bug", ""


async def _for_a_while(events: AsyncIterator[str]) -> AsyncIterator[str]:
    try:
        async with asyncio.timeout(_STREAM_SECONDS):
            async for each in events:
                yield each
    except TimeoutError:
        return
