"""`/actions`: who did what, when, to which, why, and what came of it."""

from starlette.responses import Response

from console.web.visits import Page, Visit

_SHOWN = 100
#: The first words of what is recorded, to choose from.
KINDS = ("dead", "source", "reveal", "contact", "purge")


def show(visit: Visit) -> Response:
    by = visit.query.get("by", "").strip()
    kind = visit.query.get("kind", "")
    found = visit.site.actions.list_latest(most=_SHOWN, by=by or None, action=kind or None)
    return visit.render("actions.html", found=found, by=by, kind=kind, kinds=KINDS, most=_SHOWN)


PAGES = (Page("/actions", show),)
