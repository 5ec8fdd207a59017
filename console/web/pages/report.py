"""`/report`: what each booking system sent in a period, and what became of it; as CSV, too."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import Response

from console.report import csv_of, moment
from console.web.visits import Page, Visit
from shared.base.clock import utcnow
from shared.booking.identity import hsa_key
from shared.store.reports import Period, Reports, SourceReport

_FRESH = timedelta(minutes=2)
_UNREAD_AFTER = timedelta(hours=72)
_DEFAULT = "7d"


def show(visit: Visit) -> Response:
    return _page(visit, _reports(visit))


def _page(visit: Visit, reports: Sequence[SourceReport] | None) -> Response:
    fields = {name: visit.query.get(name, "") for name in ("since", "until", "source")}
    return visit.render("report.html", reports=reports, fields={**fields, "since": _since(visit)})


def as_csv(visit: Visit) -> Response:
    reports = _reports(visit)
    if reports is None:
        return _page(visit, None)
    headers = {"Content-Disposition": 'attachment; filename="budkavle-report.csv"'}
    return Response(csv_of(reports), 200, headers, "text/csv; charset=utf-8")


def _since(visit: Visit) -> str:
    return visit.query.get("since", "").strip() or _DEFAULT


def _reports(visit: Visit) -> list[SourceReport] | None:
    """None while they are being counted. Raises `typer.BadParameter` for what is no time."""
    since, until, source = _since(visit), *_rest(visit.query)
    period = Period(moment(since), moment(until) if until else utcnow())

    def count() -> Any:
        key = hsa_key(source) if source else None
        reports = Reports(visit.site.database)
        return reports.of(period, unread_after=_UNREAD_AFTER, source=key)

    found: list[SourceReport] | None = visit.site.background.get(
        ("report", since, until, source), count, _FRESH
    )
    return found


def _rest(query: QueryParams) -> tuple[str, str]:
    return query.get("until", "").strip(), query.get("source", "").strip()


PAGES = (Page("/report", show), Page("/report.csv", as_csv))
