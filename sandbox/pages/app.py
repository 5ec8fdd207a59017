"""The pages as an ASGI application. Sessions hold an opaque id and die with the sandbox."""

import secrets

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.pages import desk, patient
from sandbox.pages.shelf import Page, Shelf
from shared.web.headers import SecurityHeaders

_GET: dict[str, Page] = {
    "/": desk.show,
    "/inkorg": patient.list_messages,
    "/inkorg/vem": patient.choose,
    "/inkorg/{message_id}": patient.show_message,
    "/inkorg/{message_id}/kalender": patient.calendar,
    "/inkorg/{message_id}/{action}": patient.ask,
}
_POST: dict[str, Page] = {
    "/book": desk.book,
    "/move": desk.move,
    "/remove": desk.remove,
    "/spoil": desk.spoil,
    "/mend": desk.mend,
    "/inkorg/vem": patient.enter,
    "/inkorg/lamna": patient.leave,
    "/inkorg/{message_id}/{action}": patient.act,
}


def build_app(shelf: Shelf) -> Starlette:
    def missing(request: Request, _error: Exception) -> Response:
        return shelf.render(request, "trouble.html", 404, kind="missing")

    pages = ((_GET, "GET"), (_POST, "POST"))
    routes = [
        Route(path, shelf.handling(page), methods=[method])
        for listed, method in pages
        for path, page in listed.items()
    ]
    key = secrets.token_urlsafe(32)
    sessions = Middleware(SessionMiddleware, key, "sandbox", max_age=None, same_site="strict")
    return Starlette(
        routes=[*routes, shelf.files.route],
        middleware=[Middleware(SecurityHeaders), sessions],
        exception_handlers={HTTPException: missing},
    )
