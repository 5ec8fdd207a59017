"""The control API: scripts put bookings, inject faults and read what was received.

JSON in and out. A wrong request is answered 400 with an `error` that names what is wrong.

    PUT, GET, DELETE  /bookings/{logicalAddress}/{bookingId}    fields of TimeslotType; ?after=1.5:
                      PUT and DELETE take effect so many seconds later, as in a system that lags
    PUT, GET, DELETE  /bookings                   a list of them, with logicalAddress and bookingId
    GET               /faults
    POST, DELETE      /faults/{logicalAddress | sms | sinch | smtp | index}   kind, seconds, count …
    GET, DELETE       /calls                      ?times=yes
    POST              /updates                    a list of transactions, as Update carries them
    PUT               /subscriber                 {"url": …}
    GET               /index, /index/entries, /index/answers, /index/journal, /index/dead
    POST              /index/dead/replay
    DELETE            /index/entries
    GET, DELETE       /sms, /sinch, /mail         what was sent by 46elks, by Sinch, by e-mail
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.bookings import Bookings
from sandbox.calls import Calls
from sandbox.engagement_index import EngagementIndex
from sandbox.engagements import UpdateRefused, read_json
from sandbox.faults import BadFault, FaultBook
from sandbox.http_wire import Request
from sandbox.mail_server import TARGET as SMTP_TARGET
from sandbox.mail_server import Mail
from sandbox.routing import RequestRefused, Router, json_body
from sandbox.sms_endpoint import Sms
from sandbox.sms_provider import TARGET as SMS_TARGET
from sandbox.sms_sinch import TARGET as SINCH_TARGET
from sandbox.subscriber import TARGET as INDEX_TARGET
from sandbox.subscriber import Subscriber
from sandbox.timeslots import BadField, checked_fields

#: Real ones lag by seconds up to a minute.
_LONGEST_LAG = 3600.0


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of each target."""

    bookings: FaultBook
    sms: FaultBook
    sinch: FaultBook
    smtp: FaultBook
    index: FaultBook

    def of(self, target: str) -> FaultBook:
        named = {
            SMS_TARGET: self.sms,
            SINCH_TARGET: self.sinch,
            SMTP_TARGET: self.smtp,
            INDEX_TARGET: self.index,
        }
        return named.get(target, self.bookings)

    @property
    def all(self) -> tuple[FaultBook, ...]:
        return (self.bookings, self.sms, self.sinch, self.smtp, self.index)


class BookingControl:
    """Bookings, and the calls about them."""

    def __init__(self, bookings: Bookings, calls: Calls) -> None:
        self._bookings = bookings
        self._calls = calls

    def route(self, router: Router) -> None:
        router.add("PUT", "/bookings/{address}/{booking}", self._put)
        router.add("GET", "/bookings/{address}/{booking}", self._show)
        router.add("DELETE", "/bookings/{address}/{booking}", self._remove)
        router.add("PUT", "/bookings", self._put_all)
        router.add("GET", "/bookings", lambda _: [one.listing() for one in self._bookings])
        router.add("DELETE", "/bookings", lambda _: {"removed": self._bookings.clear()})
        router.add("GET", "/calls", self._list_calls)
        router.add("DELETE", "/calls", self._clear_calls)

    def _put(self, request: Request, address: str, booking_id: str) -> object:
        said = json_body(request)
        if not isinstance(said, dict):
            raise RequestRefused("the body is not an object with the fields of a booking")
        after = _seconds(request)
        try:
            checked_fields(said)
            self._later(after, self._bookings.put, address, booking_id, said)
        except BadField as error:
            raise RequestRefused(str(error)) from None
        return {"put": 1}

    def _put_all(self, request: Request) -> object:
        listed = json_body(request)
        if not isinstance(listed, list):
            raise RequestRefused("the body is not a list of bookings")
        try:
            return {"put": self._bookings.put_all(listed)}
        except BadField as error:
            raise RequestRefused(str(error)) from None

    def _show(self, _request: Request, address: str, booking_id: str) -> object:
        booking = self._bookings.find(address, booking_id)
        if booking is None:
            raise RequestRefused("no such booking", 404)
        return booking.listing()

    def _remove(self, request: Request, address: str, booking_id: str) -> object:
        """Removing a booking that is not there succeeds: scripts may repeat it."""
        removed = self._bookings.find(address, booking_id) is not None
        self._later(_seconds(request), self._bookings.remove, address, booking_id)
        return {"removed": int(removed)}

    @staticmethod
    def _later(seconds: float, change: Callable[..., object], *parts: object) -> None:
        if not seconds:
            change(*parts)
            return
        asyncio.get_running_loop().call_later(seconds, change, *parts)

    def _list_calls(self, request: Request) -> object:
        return self._calls.listing(with_times=request.query.get("times") == "yes")

    def _clear_calls(self, _request: Request) -> object:
        self._calls.clear()
        return {}


class FaultControl:
    """Faults of booking systems, of the SMS providers, of the mail server and of the index."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def route(self, router: Router) -> None:
        router.add("GET", "/faults", self._list)
        router.add("POST", "/faults/{target}", self._add)
        router.add("DELETE", "/faults/{target}", self._end)

    def _list(self, _request: Request) -> object:
        return {target: faults for book in self._faults.all
                for target, faults in book.listing().items()}  # fmt: skip

    def _add(self, request: Request, target: str) -> object:
        try:
            self._faults.of(target).add(target, json_body(request))
        except BadFault as error:
            raise RequestRefused(str(error)) from None
        return {"added": 1}

    def _end(self, _request: Request, target: str) -> object:
        return {"ended": self._faults.of(target).end(target)}


class IndexControl:
    """The engagement index and its subscriber."""

    def __init__(self, index: EngagementIndex, subscriber: Subscriber) -> None:
        self._index = index
        self._subscriber = subscriber

    def route(self, router: Router) -> None:
        deliveries, entries = self._index.deliveries, self._index.entries
        router.add("POST", "/updates", self._update)
        router.add("PUT", "/subscriber", self._subscribe)
        router.add("GET", "/index", self._summary)
        router.add("GET", "/index/entries", lambda _: entries.listing())
        router.add("DELETE", "/index/entries", lambda _: {"removed": entries.clear()})
        router.add("GET", "/index/answers", lambda _: deliveries.listed_answers())
        router.add("GET", "/index/journal", lambda _: deliveries.listed_journal())
        router.add("GET", "/index/dead", lambda _: deliveries.listed_dead())
        router.add("POST", "/index/dead/replay", lambda _: {"replayed": deliveries.replay_dead()})

    def _update(self, request: Request) -> object:
        try:
            transactions = read_json(json_body(request))
        except UpdateRefused as refusal:
            raise RequestRefused(str(refusal)) from None
        taken = self._index.take(transactions, request.headers)
        return {"changed": taken.changed, "correlationId": taken.correlation_id}

    def _subscribe(self, request: Request) -> object:
        said = json_body(request)
        url = said.get("url") if isinstance(said, dict) else None
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise RequestRefused("url: not an http address")
        self._subscriber.url = url
        return {"url": url}

    def _summary(self, _request: Request) -> object:
        deliveries = self._index.deliveries
        return {
            "subscriber": self._subscriber.url,
            "entries": len(self._index.entries),
            "updates": self._index.updates,
            "pending": self._index.pending,
            "failedAttempts": deliveries.failed_attempts,
            "dead": len(deliveries.listed_dead()),
            "gone": deliveries.gone,
            "counts": dict(deliveries.counts),
        }


class CatchControl:
    """The SMS and mails that were received, newest last."""

    def __init__(self, sms: list[Sms], sinch: list[Sms], mail: list[Mail]) -> None:
        self._caught: dict[str, list[Any]] = {"/sms": sms, "/sinch": sinch, "/mail": mail}

    def route(self, router: Router) -> None:
        for path, caught in self._caught.items():
            router.add("GET", path, lambda _, caught=caught: [one.listing() for one in caught])
            router.add("DELETE", path, lambda _, caught=caught: _emptied(caught))


def _seconds(request: Request) -> float:
    """How much later the change is to be shown: `?after=`."""
    try:
        seconds = float(request.query.get("after", 0))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST_LAG:
        raise RequestRefused(f"after: not a number of seconds from 0 to {_LONGEST_LAG:.0f}")
    return seconds


def _emptied(caught: list[Any]) -> dict[str, int]:
    count = len(caught)
    caught.clear()
    return {"removed": count}
