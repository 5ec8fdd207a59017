"""A patient's inbox: choose who you are, list, message, calendar file, and what can be done."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sandbox.pages.clients import NotThere
from sandbox.pages.people import Resident
from sandbox.pages.shelf import Shelf, form_of, said_after
from shared.base.clock import utcnow
from shared.booking.times import STOCKHOLM, parse_wall, wall_text

_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
#: What each action is called: in the address, on its button, and after it was done.
ACTIONS: Mapping[str, tuple[str, str]] = {
    "rebook": ("Boka om", "Du har bokat om. Ett meddelande om din nya tid kommer till inkorgen."),
    "cancel": ("Avboka", "Du har avbokat. Ett meddelande om det kommer till inkorgen."),
    "book": ("Boka en tid", "Du har bokat en tid. Ett meddelande om den kommer till inkorgen."),
    "decline": ("Tacka nej", "Du har tackat nej. Ett meddelande om det kommer till inkorgen."),
}
_CHOOSES_TIME = ("rebook", "book")
_OFFERED_DAYS = (8, 9, 15)
_VISIT_MINUTES = 30


async def list_messages(shelf: Shelf, request: Request) -> Response:
    resident = shelf.patient_of(request)
    cursor = request.query_params.get("efter")
    page = await shelf.inbox.page(resident, cursor)
    return shelf.render(request, "inbox.html", page=page, paged=cursor is not None)


async def show_message(shelf: Shelf, request: Request) -> Response:
    """Who opens a message has read it."""
    resident, message = await _message(shelf, request)
    if not message["read"]:
        await shelf.inbox.mark_read(resident, message["id"])
    return shelf.render(request, "message.html", message=message, actions=ACTIONS)


async def calendar(shelf: Shelf, request: Request) -> Response:
    body = await shelf.inbox.calendar(shelf.patient_of(request), _message_id(request))
    headers = {"Content-Disposition": 'attachment; filename="besok.ics"'}
    return Response(body, 200, headers, "text/calendar; charset=utf-8")


async def ask(shelf: Shelf, request: Request) -> Response:
    """Whether to do it, and when."""
    _, message = await _message(shelf, request)
    action = _action(request, message)
    offered = offered_times(utcnow()) if action in _CHOOSES_TIME else []
    times = [{"wall": one, "iso": _at_wall(one).isoformat()} for one in offered]
    return shelf.render(
        request, "act.html", message=message, action=action, name=ACTIONS[action][0], times=times
    )


async def act(shelf: Shelf, request: Request) -> Response:
    """As the region's booking service does it: the booking system changes its own booking."""
    form = await form_of(request)
    _, message = await _message(shelf, request)
    action, about = _action(request, message), message["booking"]
    booking = await shelf.world.booking(about["logical_address"], about["booking_id"])
    if action in _CHOOSES_TIME:
        booking |= _at(form.get("time", ""))
        await shelf.world.hold(about["source_system"], booking)
    else:
        await shelf.world.remove(about["source_system"], booking)
    return said_after(request, ACTIONS[action][1], "/inkorg")


async def choose(shelf: Shelf, request: Request) -> Response:
    shelf.people.meet(one["subject_of_care"] for one in await shelf.world.bookings())
    return shelf.render(request, "choose.html", people=[*shelf.people])


async def enter(shelf: Shelf, request: Request) -> Response:
    resident = shelf.people.with_id((await form_of(request)).get("resident", ""))
    if resident is None:
        raise NotThere
    request.session["resident"] = resident.id
    return RedirectResponse("/inkorg", 303)


async def leave(_shelf: Shelf, request: Request) -> Response:
    await form_of(request)
    request.session.clear()
    return RedirectResponse("/inkorg/vem", 303)


def offered_times(now: datetime) -> list[str]:
    """Three free times, as wall times; in the sandbox every one is free."""
    morning = now.astimezone(STOCKHOLM).replace(hour=9, minute=0, second=0, microsecond=0)
    days = (morning + timedelta(days=number) for number in _OFFERED_DAYS)
    return [wall_text(day + timedelta(minutes=70 * number)) for number, day in enumerate(days)]


def _at(time: str) -> dict[str, str]:
    """The fields of a booking at one of the offered times; it is no call letter then."""
    if time not in offered_times(utcnow()):
        raise NotThere
    ends = wall_text(_at_wall(time) + timedelta(minutes=_VISIT_MINUTES))
    return {"startTimeInclusive": time, "endTimeExclusive": ends, "isInvitation": "false"}


def _at_wall(time: str) -> datetime:
    return parse_wall(time).replace(tzinfo=STOCKHOLM)


async def _message(shelf: Shelf, request: Request) -> tuple[Resident, Any]:
    resident = shelf.patient_of(request)
    return resident, await shelf.inbox.message(resident, _message_id(request))


def _message_id(request: Request) -> str:
    message_id: str = request.path_params["message_id"]
    if not _MESSAGE_ID.fullmatch(message_id):
        raise NotThere
    return message_id


def _action(request: Request, message: Any) -> str:
    action: str = request.path_params["action"]
    if action not in message["actions"]:
        raise NotThere
    return action
