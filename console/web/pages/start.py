"""`/`: leads to the first page."""

from starlette.responses import Response

from console.web.visits import Page, Visit


def show(visit: Visit) -> Response:
    return visit.redirect("/live")


PAGES = (Page("/", show),)
