"""`/dead`: dead letters, by groups; one letter; and what operators do about them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import Response

from console.dead_letters import Letter, Selection, visible_message
from console.exits import ExitCode, Refused
from console.web.access import Role
from console.web.dead_survey import Found, Survey
from console.web.visits import NoPage, Page, Visit
from shared.base.clock import utcnow
from shared.relay.broker import Envelope
from shared.relay.topology import READING_STAGES, Place


@dataclass(frozen=True, slots=True)
class Shown(Selection):
    """Letters that were there when the operator was asked about them, not later ones."""

    until: datetime | None = None

    def takes(self, letter: Letter) -> bool:
        died = letter.dead_since
        return Selection.takes(self, letter) and (
            self.until is None or died is None or died <= self.until
        )


def show(visit: Visit) -> Response:
    place = _place(visit.query)
    survey = visit.site.survey(place, visit.viewer.name)
    states = visit.site.sampler.current(utcnow()).found.queues
    counts = {each: sum(getattr(state, each) for state in states) for each in Place}
    jobs = visit.site.jobs.latest()[:5]
    return visit.render("dead.html", place=place, survey=survey, counts=counts, jobs=jobs)


def show_group(visit: Visit) -> Response:
    place = _place(visit.query)
    survey = _survey(visit, place)
    found = [group for group in survey.groups if group.id == visit.path["id"]]
    if not found:
        raise NoPage
    letters = [letter for letter, _ in survey.letters[found[0].id]]
    return visit.render(
        "dead_group.html", place=place, group=found[0], letters=letters, at=survey.at
    )


def show_letter(visit: Visit) -> Response:
    """One letter of any place, with its history and its masked content."""
    letter, envelope, place = _find(visit)
    return visit.render(
        "dead_letter.html",
        place=place,
        letter=letter,
        history=envelope.history,
        message=visible_message(letter.stage, envelope),
        at=utcnow(),
    )


def selection_of(form: QueryParams) -> Shown:
    """What a form means: a group, or one letter. Raises `Refused` when it means everything."""
    stage, group, letter = (form.get(name, "") for name in ("stage", "group", "letter"))
    if stage not in READING_STAGES or not (group or letter):
        raise Refused("say which letters", ExitCode.USAGE)
    return Shown(
        (stage,),
        groups=frozenset({group} - {""}),
        ids=frozenset({letter} - {""}),
        until=_asked_at(form),
    )


def _asked_at(form: QueryParams) -> datetime | None:
    try:
        return datetime.fromisoformat(form.get("at", ""))
    except ValueError:
        return None


def _place(query: QueryParams) -> Place:
    name = query.get("in", Place.DEAD)
    return Place(name) if name in {*Place} else Place.DEAD


def _survey(visit: Visit, place: Place) -> Survey:
    survey = visit.site.survey(place, visit.viewer.name)
    if survey is None:
        raise Refused(visit.t("dead.reading"), ExitCode.UNAVAILABLE)
    return survey


def _find(visit: Visit) -> tuple[Letter, Envelope, Place]:
    """From what was read lately, else from the queues."""
    id_ = visit.path["id"]
    for place in Place:
        survey = visit.site.survey(place, visit.viewer.name)
        for of_group in survey.letters.values() if survey else ():
            for letter, envelope in of_group:
                if letter.id == id_:
                    return letter, envelope, place
    return _find_in_queues(visit, Selection(READING_STAGES, ids=frozenset({id_})))


def _find_in_queues(visit: Visit, selection: Selection) -> tuple[Letter, Envelope, Place]:
    with visit.site.broker() as broker:
        for place in Place:
            found: Found | Any
            for found in selection.find(broker, place, by=visit.viewer.name):
                return (*found, place)
    raise NoPage


PAGES = (
    Page("/dead", show),
    Page("/dead/group/{id}", show_group),
    Page("/dead/letter/{id}", show_letter, Role.VIEWER),
)
