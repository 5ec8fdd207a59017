"""`/trace`: the life of a change as a timeline, and the message as the patient reads it.

What is looked for comes by POST: a person number stands in no address. Who looks for a person, or
reads a message, needs the role privacy and a reason, and is recorded before anything is shown.
"""

import nh3
from markupsafe import Markup
from starlette.responses import Response

from console.recording import Operator, patient_subject, record_reveal
from console.trace import found_traces, person_of
from console.trace_answers import answer_of
from console.web.access import Role
from console.web.visits import Denied, NoPage, Page, Visit
from shared.store.inbox import Inbox

_LONGEST = 100
#: So many changes are shown, the newest.
_SHOWN = 50


def ask(visit: Visit) -> Response:
    return visit.render("trace.html", asked=False, changes=(), found=0)


def show(visit: Visit) -> Response:
    visit.search()
    name = visit.form.get("name", "").strip()[:_LONGEST]
    person, site = person_of(name), visit.site
    why = visit.note(needed=bool(person))
    if person and not visit.viewer.may(Role.PRIVACY):
        raise Denied("denied.role")
    booking = visit.form.get("booking", "").strip() or None
    digests = site.settings.digests
    found = found_traces(site.database, digests, name, booking) if name else []
    if person:
        subject = patient_subject(digests, person)
        outcome = f"showed {len(found)} changes"
        operator = Operator(visit.viewer.name, why)
        record_reveal(site.database, "trace", operator, subject=subject, outcome=outcome)
    changes = [(traced, answer_of(traced)) for traced in reversed(found[-_SHOWN:])]
    return visit.render("trace.html", asked=True, changes=changes, found=len(found))


def show_message(visit: Visit) -> Response:
    """The message as the patient reads it."""
    visit.search()
    why, site = visit.note(), visit.site
    message = Inbox(site.database).get(visit.form.get("message", ""))
    if message is None:
        raise NoPage
    patient = patient_subject(site.settings.digests, message.key.patient)
    record_reveal(
        site.database,
        "message",
        Operator(visit.viewer.name, why),
        subject=f"{patient}, message {message.id}",
        outcome="showed 1 message",
    )
    html = Markup(nh3.clean(message.body_html))  # noqa: S704 - cleaned of all that could act
    return visit.render("trace_message.html", message=message, html=html)


PAGES = (
    Page("/trace", ask),
    Page("/trace/found", show, Role.VIEWER, "POST"),
    Page("/trace/message", show_message, Role.PRIVACY, "POST"),
)
