"""`/live`: the relay as a picture."""

from starlette.responses import Response

from console.web.visits import Page, Visit


def show(visit: Visit) -> Response:
    return visit.render("live.html")


PAGES = (Page("/live", show),)
