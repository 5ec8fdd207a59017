"""Who looks at the pages, and what they may do. Three ways to know, of which one is in use."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Protocol

from starlette.requests import Request

from console.operators import looker
from console.web.sessions import Sessions
from console.web.settings import PagesSettings


class Role(StrEnum):
    """What somebody may do. Who may act, or see what a patient is told, may look as well."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    PRIVACY = "privacy"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks for a page. `name` stands in the log of actions."""

    name: str
    roles: frozenset[Role]

    def may(self, role: Role) -> bool:
        return role in self.roles or (role is Role.VIEWER and bool(self.roles))


class Door(Protocol):
    """Tells who asks. `login`: the page that lets them say so, "" when there is none."""

    login: str

    def viewer(self, request: Request) -> Viewer | None: ...


def door_of(settings: PagesSettings, sessions: Sessions) -> Door:
    if settings.uses_oidc:
        return SessionDoor(sessions)
    return ProxyDoor(settings) if settings.uses_proxy else LoopbackDoor()


class LoopbackDoor:
    """Nobody logs in: whoever reaches this machine's own address may do everything.

    The `Host` must be this machine's, too: else a page from elsewhere whose name leads to
    127.0.0.1 could ask in the operator's browser (DNS rebinding).
    """

    login = ""

    def viewer(self, request: Request) -> Viewer | None:
        peer = request.client.host if request.client else ""
        if not (_is_loopback(peer) and _is_loopback(request.url.hostname or "")):
            return None
        return Viewer(looker() or "console", frozenset(Role))


class ProxyDoor:
    """A proxy in front logs users in, and names them in headers. Nobody else's are believed."""

    login = ""

    def __init__(self, settings: PagesSettings) -> None:
        self._settings = settings

    def viewer(self, request: Request) -> Viewer | None:
        peer = request.client.host if request.client else ""
        name = request.headers.get(self._settings.console_proxy_user_header, "").strip()
        if peer not in self._settings.console_proxies or not name:
            return None
        groups = request.headers.get(self._settings.console_proxy_roles_header, "")
        return Viewer(name, roles_of(groups.replace(",", " ").split(), self._settings))


class SessionDoor:
    """Users log in by OpenID Connect; a signed cookie then says who they are."""

    login = "/login"

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def viewer(self, request: Request) -> Viewer | None:
        session = self._sessions.live(request)
        if session is None:
            return None
        return Viewer(session["name"], frozenset(map(Role, session["roles"])))


def roles_of(groups: Iterable[str], settings: PagesSettings) -> frozenset[Role]:
    """The roles that membership of `groups` gives; none of them: nothing may be seen."""
    given = set(groups)
    names: Mapping[Role, tuple[str, ...]] = {
        Role.VIEWER: settings.console_role_viewer,
        Role.OPERATOR: settings.console_role_operator,
        Role.PRIVACY: settings.console_role_privacy,
    }
    return frozenset(role for role, known in names.items() if given.intersection(known))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
