"""A page is a function from a `Visit` to a response, and the role that may ask for it."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.datastructures import QueryParams
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console.exits import ExitCode, Refused
from console.web.access import Role, Viewer
from console.web.site import Site
from shared.web.texts import Language, Translate


@dataclass(frozen=True)
class Visit:
    """One request by somebody who may make it. `form` holds the fields of a POST."""

    site: Site
    viewer: Viewer
    language: Language
    address: str  # the path that was asked for
    path: Mapping[str, str]  # the parts of it that vary
    query: QueryParams
    form: QueryParams
    token: str  # of the forms on the page (CSRF)
    is_part: bool  # htmx asks for a part of a page, not for a whole one

    @property
    def t(self) -> Translate:
        return self.site.texts.translate(self.language)

    def render(self, template: str, *, status: int = HTTPStatus.OK, **values: Any) -> Response:
        """A page, or a part of one."""
        return HTMLResponse(self.html(template, **values), status)

    def html(self, template: str, **values: Any) -> str:
        common = {
            "t": self.t,
            "language": self.language,
            "viewer": self.viewer,
            "address": self.address,
            "csrf_field": self._csrf_field,
            "file": self.site.files.url,
            "settings": self.site.settings,
            "done": self._done(),
        }
        return self.site.templates.get_template(template).render({**common, **values})

    def redirect(self, address: str, *, done: str = "") -> Response:
        """After a POST. The page there says the text `done`, whose key must begin with `done_`."""
        query = f"?{urlencode({'done': done})}" if done else ""
        return RedirectResponse(address + query, HTTPStatus.SEE_OTHER)

    def search(self) -> None:
        """Counts a search for a person or an id. Raises `TooMany`."""
        if not self.site.searches.takes(self.viewer.name):
            raise TooMany

    def note(self, *, needed: bool = True) -> str:
        """The field `note`: why it is done. Raises `Refused` when there is none."""
        note = self.form.get("note", "").strip()
        if needed and not note:
            raise Refused(self.t("common.note_missing"), ExitCode.USAGE)
        return note

    def _csrf_field(self) -> Markup:
        return Markup('<input type="hidden" name="csrf" value="{}">').format(self.token)

    def _done(self) -> str:
        """Only texts that are made for it: an address must not put words of its own on a page."""
        name = self.query.get("done", "")
        known = name.partition(".")[2].startswith("done_") and name in self.site.texts
        return name if known else ""


class Denied(Exception):
    """Not to this one; `text` names why."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class TooMany(Exception):
    """The user searches too often."""


class NoPage(Exception):
    """There is nothing at this address."""


PageFunction = Callable[[Visit], Response]
StreamFunction = Callable[[Visit], AsyncIterator[str]]


@dataclass(frozen=True, slots=True)
class Page:
    """`function` answers `method` at `path` to those who have `role`. It runs on a thread and may
    block.
    """

    path: str
    function: PageFunction
    role: Role = Role.VIEWER
    method: Literal["GET", "POST"] = "GET"


@dataclass(frozen=True, slots=True)
class Stream:
    """Server-sent events at `path`: the texts that `function` yields, each a whole event."""

    path: str
    function: StreamFunction
    role: Role = Role.VIEWER


def event(name: str, html: str) -> str:
    """A server-sent event."""
    lines = "".join(f"data: {line}\n" for line in html.splitlines() or [""])
    return f"event: {name}\n{lines}\n"
