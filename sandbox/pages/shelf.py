"""What every page of the sandbox is given: the clients, sessions, forms, templates and files."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nh3
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sandbox.pages import swedish
from sandbox.pages.clients import InboxClient, NotThere, Unreachable, WorldClient
from sandbox.pages.people import People, Resident
from shared.web.forms import form_token, is_own_form
from shared.web.static_files import StaticFiles
from shared.web.templates import environment_of

_HERE = Path(__file__).parent

#: What a message's HTML may hold; the composer writes no more, but a region's templates may.
_TAGS = {
    *("h2", "h3", "h4", "h5", "h6", "p", "br", "ul", "ol", "li", "dl", "dt", "dd"),
    *("a", "strong", "em", "b", "i"),
}
_SCHEMES = {"http", "https", "mailto", "tel"}

Page = Callable[["Shelf", Request], Awaitable[Response]]


class NotOurForm(Exception):
    """The form does not come from a page of this session."""


class NoPatient(Exception):
    """Nobody has logged in to the inbox."""


@dataclass(frozen=True)
class Shelf:
    """Serves the pages of one sandbox."""

    inbox: InboxClient
    world: WorldClient
    people: People = field(default_factory=People)
    files: StaticFiles = field(default_factory=lambda: StaticFiles(_HERE / "static"))

    def __post_init__(self) -> None:
        environment = environment_of(_HERE / "templates")
        environment.globals["file"] = self.files.url
        environment.filters |= {
            "day": swedish.day,
            "short_day": swedish.short_day,
            "clock": swedish.clock,
            "safe_html": safe_html,
        }
        object.__setattr__(self, "environment", environment)

    def render(
        self, request: Request, template: str, status: int = 200, **values: Any
    ) -> HTMLResponse:
        environment: Any = self.environment  # type: ignore[attr-defined]
        page = environment.get_template(template).render(
            token=form_token(request),
            resident=self.resident_of(request),
            said=request.session.pop("said", ""),
            **values,
        )
        return HTMLResponse(page, status)

    def resident_of(self, request: Request) -> Resident | None:
        return self.people.with_id(request.session.get("resident", ""))

    def patient_of(self, request: Request) -> Resident:
        """Who has logged in. Raises `NoPatient`."""
        resident = self.resident_of(request)
        if resident is None:
            raise NoPatient
        return resident

    def handling(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return await page(self, request)
            except NoPatient:
                return RedirectResponse("/inkorg/vem", 303)
            except NotThere:
                return self.render(request, "trouble.html", 404, kind="missing")
            except NotOurForm:
                return self.render(request, "trouble.html", 403, kind="form")
            except Unreachable:
                return self.render(request, "trouble.html", 503, kind="away")

        return answer


async def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a form of ours. Raises `NotOurForm`."""
    form = await request.form(max_files=0, max_fields=20)
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    if not is_own_form(request, fields.get("csrf", "")):
        raise NotOurForm
    return fields


def said_after(request: Request, text: str, address: str) -> Response:
    """To another page, which shows `text` once."""
    request.session["said"] = text
    return RedirectResponse(address, 303)


def safe_html(html: str) -> Markup:
    """`html` with nothing in it that runs, loads or looks like something else."""
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer",
    )
    return Markup(clean)  # noqa: S704 - that is what nh3 is for
