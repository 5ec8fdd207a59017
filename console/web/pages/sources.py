"""`/sources`: the activated booking systems, and what operators do about them."""

from starlette.datastructures import QueryParams
from starlette.responses import Response

from console.exits import ExitCode, Refused
from console.operators import text_of
from console.recording import Operator
from console.source_file import (
    CALLS_IN_FLIGHT,
    CALLS_PER_SECOND,
    LONGEST_HSA_ID,
    LONGEST_NAME,
    MOST_IN_FLIGHT,
)
from console.source_state import SourceState, source_states
from console.sources import activate, call_rate, deactivate, set_pause
from console.web.access import Role
from console.web.visits import NoPage, Page, Visit
from shared.base.clock import utcnow
from shared.booking.identity import hsa_key
from shared.store.sources import SourceRegister, SourceSystem
from shared.store.traces import TraceStore

_LIST = "/sources"
#: So many entries of a system's log are shown.
_LOG_SHOWN = 20


def show(visit: Visit) -> Response:
    found = visit.site.sampler.current(utcnow()).found
    return visit.render("sources.html", sources=_states(visit), unknown=found.unknown)


def show_one(visit: Visit) -> Response:
    key = hsa_key(visit.path["hsa_id"])
    found = [each for each in _states(visit) if each.source.key == key]
    if not found:
        raise NoPage
    log = SourceRegister(visit.site.database).log(key)[:_LOG_SHOWN]
    return visit.render("source.html", each=found[0], log=log, most_in_flight=MOST_IN_FLIGHT)


def ask_to_activate(visit: Visit) -> Response:
    return visit.render(
        "source_activate.html",
        hsa_id=visit.query.get("id", ""),
        calls_per_second=CALLS_PER_SECOND,
        calls_in_flight=CALLS_IN_FLIGHT,
        most_in_flight=MOST_IN_FLIGHT,
    )


def add(visit: Visit) -> Response:
    """Activate a system, or change the name and limits of one that is active."""
    source = _source_in(visit.form, visit)
    activate(visit.site.database, source, visit.note())
    return visit.redirect(_LIST, done="sources.done_added")


def pause(visit: Visit) -> Response:
    return _set_pause(visit, paused=True, done="sources.done_paused")


def resume(visit: Visit) -> Response:
    return _set_pause(visit, paused=False, done="sources.done_resumed")


def remove(visit: Visit) -> Response:
    if visit.form.get("sure") != "yes":
        raise Refused(visit.t("sources.not_sure"), ExitCode.USAGE)
    settings, operator = visit.site.settings, Operator(visit.viewer.name, visit.note())
    hsa_id = visit.form.get("hsa_id", "")
    if not deactivate(visit.site.database, hsa_id, settings.environment, operator):
        raise NoPage
    return visit.redirect(_LIST, done="sources.done_removed")


def _set_pause(visit: Visit, *, paused: bool, done: str) -> Response:
    hsa_id, operator = visit.form.get("hsa_id", ""), Operator(visit.viewer.name, visit.note())
    environment = visit.site.settings.environment
    if not set_pause(visit.site.database, hsa_id, environment, operator, paused=paused):
        raise Refused(visit.t("sources.as_it_was"), ExitCode.NOTHING_FOUND)
    return visit.redirect(_LIST, done=done)


def _states(visit: Visit) -> list[SourceState]:
    """The register as it is now, with the figures of the latest sample."""
    site = visit.site
    sources = SourceRegister(site.database).list_all(site.settings.environment)
    found = site.sampler.current(utcnow()).found.with_sources(sources)
    return [*source_states(found, TraceStore(site.database).last_notifications())]


def _source_in(form: QueryParams, visit: Visit) -> SourceSystem:
    """Raises `typer.BadParameter` or `Refused` for a field that cannot be used."""
    in_flight = form.get("calls_in_flight", "")
    if not (in_flight.isdecimal() and 1 <= int(in_flight) <= MOST_IN_FLIGHT):
        raise Refused(visit.t("sources.bad_in_flight", most=MOST_IN_FLIGHT), ExitCode.USAGE)
    return SourceSystem(
        hsa_id=text_of(LONGEST_HSA_ID)(form.get("hsa_id", "")),
        name=text_of(LONGEST_NAME)(form.get("name", "")),
        environment=visit.site.settings.environment,
        calls_per_second=call_rate(form.get("calls_per_second", "").replace(",", ".")),
        calls_in_flight=int(in_flight),
        activated_by=visit.viewer.name,
        activated_at=utcnow(),
    )


PAGES = (
    Page(_LIST, show),
    Page("/sources/system/{hsa_id:path}", show_one),
    Page("/sources/activate", ask_to_activate, Role.OPERATOR),
    Page("/sources/add", add, Role.OPERATOR, "POST"),
    Page("/sources/pause", pause, Role.OPERATOR, "POST"),
    Page("/sources/resume", resume, Role.OPERATOR, "POST"),
    Page("/sources/remove", remove, Role.OPERATOR, "POST"),
)
