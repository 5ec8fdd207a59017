"""The application: its pages, who may see them, and the headers of every answer."""

import secrets
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from console.web.access import SessionDoor, door_of
from console.web.corridor import Corridor
from console.web.login import Login
from console.web.pages import (
    actions,
    dead,
    dead_acts,
    live,
    preview,
    report,
    sources,
    start,
    trace,
)
from console.web.sessions import Sessions
from console.web.settings import PagesSettings
from console.web.site import Site
from console.web.visits import Page, Stream
from shared.web.headers import SecurityHeaders

#: Every page there is. A page that is not listed here cannot be reached.
PAGES: Sequence[Page | Stream] = (
    *start.PAGES,
    *live.PAGES,
    *sources.PAGES,
    *dead.PAGES,
    *dead_acts.PAGES,
    *trace.PAGES,
    *report.PAGES,
    *actions.PAGES,
    *preview.PAGES,
)

_LARGEST_FORM = 100_000


def build_app(site: Site) -> Starlette:
    settings = site.settings
    sessions = Sessions(idle=settings.idle, longest=settings.longest)
    door = door_of(settings, sessions)
    corridor = Corridor(site, door, sessions)

    async def no_page(request: Request, error: Exception) -> Response:
        return corridor.error_page(request, error)

    routes: list[BaseRoute] = [*map(corridor.route, PAGES), site.files.route, *_health(site)]
    if isinstance(door, SessionDoor):
        routes += Login(site, sessions, corridor).routes
    return Starlette(
        routes=routes,
        middleware=_middleware(settings),
        exception_handlers={HTTPException: no_page},
    )


def _middleware(settings: PagesSettings) -> list[Middleware]:
    secure = settings.console_url.startswith("https:")
    key = settings.console_session_key.get_secret_value() or secrets.token_urlsafe(32)
    return [
        Middleware(SecurityHeaders, secure=secure),
        Middleware(RequestBodyLimitMiddleware, max_body_size=_LARGEST_FORM),
        Middleware(
            SessionMiddleware,
            secret_key=key,
            session_cookie="__Host-budkavle" if secure else "budkavle",
            max_age=round(settings.longest.total_seconds()),
            https_only=secure,
        ),
    ]


def _health(site: Site) -> list[BaseRoute]:
    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    def readyz(_request: Request) -> Response:
        ready = site.database.ready()
        return PlainTextResponse("ready\n" if ready else "database\n", 200 if ready else 503)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
