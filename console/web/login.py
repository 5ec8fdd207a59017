"""Login by OpenID Connect: the authorization code flow with PKCE, by Authlib."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from console.web.access import roles_of
from console.web.corridor import Corridor
from console.web.sessions import Sessions
from console.web.settings import PagesSettings
from console.web.site import Site
from console.web.visits import Denied
from shared.web.forms import is_own_form

try:  # Authlib speaks HTTP by httpx2 wherever it is installed
    from httpx2 import HTTPError
except ImportError:
    from httpx import HTTPError

log = structlog.get_logger()

_TIMEOUT_SECONDS = 10
_NEXT = "next"


class Login:
    """`/login` leads to the provider, `/login/back` comes from it, `/logout` ends the session."""

    def __init__(self, site: Site, sessions: Sessions, corridor: Corridor) -> None:
        self._settings = site.settings
        self._sessions = sessions
        self._corridor = corridor
        self._provider = _provider(site.settings)

    @property
    def routes(self) -> list[BaseRoute]:
        return [
            Route("/login", self._begin, methods=["GET"]),
            Route("/login/back", self._end, methods=["GET"]),
            Route("/logout", self._logout, methods=["POST"]),
        ]

    async def _begin(self, request: Request) -> Response:
        back = f"{self._settings.console_url.rstrip('/')}/login/back"
        try:
            answer: Response = await self._provider.authorize_redirect(request, back)
        except (HTTPError, OAuthError, ValueError) as error:
            return self._refuse(request, "denied.provider", error)
        request.session[_NEXT] = own_path(request.query_params.get(_NEXT, ""))
        return answer

    async def _end(self, request: Request) -> Response:
        try:
            claims = await self._claims(request)
        except (HTTPError, OAuthError, JoseError, ValueError) as error:
            return self._refuse(request, "denied.login", error)
        roles = roles_of(_words_at(claims, self._settings.console_oidc_roles_claim), self._settings)
        name = str(claims.get(self._settings.console_oidc_name_claim) or claims["sub"])
        if not roles:
            log.warning("login_without_role", by=name)
            return self._corridor.error_page(request, Denied("denied.no_role"))
        address = own_path(request.session.get(_NEXT, ""))
        self._sessions.begin(request, name, roles)
        log.info("login", by=name, roles=sorted(roles))
        return RedirectResponse(address, HTTPStatus.SEE_OTHER)

    async def _claims(self, request: Request) -> Mapping[str, Any]:
        """Of the ID token, and of the user-info endpoint when that token lists no roles."""
        issuer = {"iss": {"essential": True, "values": [self._settings.console_oidc_issuer]}}
        token = await self._provider.authorize_access_token(request, claims_options=issuer)
        claims: dict[str, Any] = dict(token.get("userinfo") or {})
        if "sub" not in claims:
            raise OAuthError("no_id_token", "the provider sent no ID token")
        metadata = await self._provider.load_server_metadata()
        lists_roles = any(_words_at(claims, self._settings.console_oidc_roles_claim))
        if not lists_roles and "userinfo_endpoint" in metadata:
            more = await self._provider.userinfo(token=token)
            if more.get("sub") == claims["sub"]:
                claims = {**more, **claims}
        return claims

    async def _logout(self, request: Request) -> Response:
        form = QueryParams(await request.body())
        if not is_own_form(request, form.get("csrf", "")):
            return self._corridor.error_page(request, Denied("denied.form"))
        self._sessions.end(request)
        return self._corridor.error_page(request, Denied("denied.logged_out"))

    def _refuse(self, request: Request, text: str, error: Exception) -> Response:
        log.warning("login_failed", error=type(error).__name__, detail=str(error))
        return self._corridor.error_page(request, Denied(text))


def _provider(settings: PagesSettings) -> Any:
    options: dict[str, Any] = {
        "scope": settings.console_oidc_scope,
        "code_challenge_method": "S256",
        "timeout": _TIMEOUT_SECONDS,
    }
    if settings.console_oidc_ca:
        options["verify"] = str(settings.console_oidc_ca)
    issuer = settings.console_oidc_issuer.rstrip("/")
    return OAuth().register(
        "provider",
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_id=settings.console_oidc_client_id,
        client_secret=settings.console_oidc_client_secret.get_secret_value(),
        client_kwargs=options,
    )


def own_path(address: str) -> str:
    """`address` if it is a path of ours, else `/`: a login leads nowhere else."""
    own = address.startswith("/") and not address.startswith(("//", "/\\")) and "\n" not in address
    return address if own else "/"


def _words_at(claims: Mapping[str, Any], path: str) -> list[str]:
    """The words that a claim lists, in an array or in one text. Dots lead into objects."""
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return found.replace(",", " ").split()
    return [str(each) for each in found] if isinstance(found, list) else []
