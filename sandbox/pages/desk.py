"""The desk: clinics book, move and remove; booking systems break and are mended; phones receive."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.clinics import CLINICS, Clinic
from sandbox.pages.clients import NotThere
from sandbox.pages.shelf import Shelf, form_of, said_after
from shared.base.clock import utcnow
from shared.base.ids import new_id
from shared.booking.times import STOCKHOLM, is_wall_time, parse_wall, wall_text

_BY_UNIT: Mapping[str, Clinic] = {clinic.unit: clinic for clinic in CLINICS}
#: What may be wrong with a booking system, as the control API calls it.
FAULTS = {
    "fault": "svarar med fel",
    "no-timeslot": "hittar inga bokningar",
    "wrong-patient": "svarar om en annan patient",
    "garbage": "svarar obegripligt",
}
_BROKEN_SECONDS = 3600
_FORMS = ("booking", "timed_call", "open_call")
_VISIT_MINUTES = 30
_LATEST = 5


async def show(shelf: Shelf, request: Request) -> Response:
    bookings = await shelf.world.bookings()
    shelf.people.meet(one["subject_of_care"] for one in bookings)
    faults = await shelf.world.json("GET", "/faults")
    caught = {kind: await shelf.world.json("GET", f"/{kind}") for kind in ("sms", "mail")}
    return shelf.render(
        request,
        "desk.html",
        bookings=[_row(shelf, one) for one in bookings if one["healthcare_facility"] in _BY_UNIT],
        clinics=[(clinic, bool(faults.get(clinic.unit))) for clinic in CLINICS],
        people=[*shelf.people],
        faults=FAULTS,
        tomorrow=(utcnow().astimezone(STOCKHOLM) + timedelta(days=14)).date().isoformat(),
        latest={kind: found[-_LATEST:][::-1] for kind, found in caught.items()},
    )


async def book(shelf: Shelf, request: Request) -> Response:
    form = await form_of(request)
    resident = shelf.people.with_id(form.get("resident", ""))
    clinic, kind = _BY_UNIT.get(form.get("unit", "")), form.get("form", "")
    if resident is None or clinic is None or kind not in _FORMS:
        raise NotThere
    booking = {
        "healthcare_facility": clinic.unit,
        "healthcare_facility_name": clinic.name,
        "bookingId": f"desk-{new_id()[:8]}",
        "subject_of_care": resident.number,
        "performerName": "Anna Exempelsson",
        "rebooking_allowed": "true",
        "cancel_booking_allowed": "true",
        **_form_fields(kind, form.get("date", ""), form.get("clock", "")),
    }
    await shelf.world.hold(clinic.source_system, booking)
    return said_after(request, f"Bokat hos {clinic.name} för {resident.name}.", "/")


def _form_fields(kind: str, date: str, clock: str) -> dict[str, str]:
    call = {"isInvitation": "true", "purpose": "Välkommen. Ta med legitimation."}
    if kind == "open_call":
        return call
    return (call if kind == "timed_call" else {}) | _visit(_wall(date, clock))


def _wall(date: str, clock: str) -> datetime:
    try:
        return datetime.fromisoformat(f"{date}T{clock}").replace(tzinfo=STOCKHOLM)
    except ValueError:
        raise NotThere from None


def _visit(starts: datetime) -> dict[str, str]:
    ends = starts + timedelta(minutes=_VISIT_MINUTES)
    return {"startTimeInclusive": wall_text(starts), "endTimeExclusive": wall_text(ends)}


async def move(shelf: Shelf, request: Request) -> Response:
    """A week later, at the same time of day."""
    clinic, booking = await _booking(shelf, await form_of(request))
    starts = booking.get("startTimeInclusive", "")
    if not is_wall_time(starts):
        raise NotThere
    booking |= _visit(parse_wall(starts).replace(tzinfo=STOCKHOLM) + timedelta(days=7))
    await shelf.world.hold(clinic.source_system, booking)
    return said_after(request, f"Flyttat en vecka hos {clinic.name}.", "/")


async def remove(shelf: Shelf, request: Request) -> Response:
    clinic, booking = await _booking(shelf, await form_of(request))
    await shelf.world.remove(clinic.source_system, booking)
    return said_after(request, f"Borttaget hos {clinic.name}.", "/")


async def spoil(shelf: Shelf, request: Request) -> Response:
    """The booking system of a clinic fails, in the way that was chosen, for an hour."""
    form = await form_of(request)
    clinic, kind = _BY_UNIT.get(form.get("unit", "")), form.get("kind", "")
    if clinic is None or kind not in FAULTS:
        raise NotThere
    terms = {"kind": kind, "seconds": _BROKEN_SECONDS}
    await shelf.world.json("POST", f"/faults/{clinic.unit}", terms)
    return said_after(request, f"{clinic.name} svarar fel tills du lagar det.", "/")


async def mend(shelf: Shelf, request: Request) -> Response:
    clinic = _BY_UNIT.get((await form_of(request)).get("unit", ""))
    if clinic is None:
        raise NotThere
    await shelf.world.json("DELETE", f"/faults/{clinic.unit}")
    return said_after(request, f"{clinic.name} svarar som vanligt igen.", "/")


async def _booking(shelf: Shelf, form: Mapping[str, str]) -> tuple[Clinic, dict[str, Any]]:
    clinic = _BY_UNIT.get(form.get("unit", ""))
    known = {one["bookingId"]: one for one in await shelf.world.bookings()}
    booking = known.get(form.get("booking", ""))
    if clinic is None or booking is None:
        raise NotThere
    return clinic, dict(booking)


def _row(shelf: Shelf, booking: Mapping[str, str]) -> dict[str, Any]:
    starts = booking.get("startTimeInclusive", "")
    has_time = is_wall_time(starts)
    return {
        "id": booking["bookingId"],
        "clinic": _BY_UNIT[booking["healthcare_facility"]],
        "resident": shelf.people.with_number(booking["subject_of_care"]),
        "starts": parse_wall(starts).replace(tzinfo=STOCKHOLM).isoformat() if has_time else "",
    }
