"""SMS through 46elks' HTTP API (docs/domain.md, "The SMS provider 46elks").

It has no idempotency key, so a request that got no answer leaves the outcome uncertain. A status
that says "not taken" is believed as soon as it has come, whatever becomes of the rest of the reply.
"""

import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from notifier.http_exchange import Exchange, HttpPoster
from notifier.results import Accepted, ProviderDown, Rejected, SendResult, Uncertain
from notifier.texts import Text
from shared.base.clock import Clock
from shared.booking.contact_points import mask

#: What a provider that is over its rate gets when it does not say for how long.
_BUSY_WAIT = timedelta(minutes=1)
_SHORTEST_WAIT = timedelta(seconds=1)
_LONGEST_WAIT = timedelta(hours=1)
_MOST_DIGITS = 6
_DETAIL_LENGTH = 120

#: Refusals that concern us, not the number: credentials, credit, a wrong URL.
_OUR_FAULT = frozenset({300, 301, 302, 303, 307, 308, 401, 402, 404, 405, 407, 408})


@dataclass(frozen=True, slots=True)
class Account:
    """`seconds` bounds one sending as a whole, `connect_seconds` the connecting in it."""

    url: str  # of POST /a1/sms, posted to exactly as it is
    username: str
    password: str
    sender: str  # what the patient's phone shows
    connect_seconds: float = 5
    seconds: float = 15


class Sms46elks:
    """Sends every notice with the same `text`; one about several messages has its own.

    `report_url`: where delivery reports are taken; the notice's id is appended to it.
    """

    def __init__(self, account: Account, text: Text, *, report_url: str = "", clock: Clock) -> None:
        self._sender = account.sender
        self._text = text
        self._report_url = report_url
        self._clock = clock
        self._http = HttpPoster(
            account.url, seconds=account.seconds, connect_seconds=account.connect_seconds
        )
        login = b64encode(f"{account.username}:{account.password}".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {login}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Connection": "close",
        }

    def send(self, notice_id: str, address: str, *, several: bool = False) -> SendResult:
        form = urlencode(self._form(notice_id, address, self._text.about(several=several))).encode()
        return read_reply(self._http.post(form, self._headers), self._clock())

    def _form(self, notice_id: str, address: str, text: str) -> dict[str, str]:
        form = {
            "from": self._sender,
            "to": address,
            "message": text,
            "dontlog": "message",
        }
        if self._report_url:
            form["whendelivered"] = f"{self._report_url}/{notice_id}"
        return form


def read_reply(exchange: Exchange, now: datetime) -> SendResult:
    """What an exchange with the provider means. Raises nothing, whatever was answered."""
    if exchange.status is None:
        error = exchange.error or "no HTTP reply"
        return Uncertain(error) if exchange.body_sent else ProviderDown(error)
    detail = f"HTTP {exchange.status}"
    match exchange.status:
        case status if 200 <= status < 300:
            return _taken(exchange)
        case HTTPStatus.CONFLICT:  # a duplicate: it is there already
            return Accepted()
        case HTTPStatus.TOO_MANY_REQUESTS:
            return ProviderDown(detail, _retry_after(exchange, now) or _BUSY_WAIT)
        case HTTPStatus.SERVICE_UNAVAILABLE:
            return ProviderDown(detail, _retry_after(exchange, now))
        case status if status in _OUR_FAULT or _out_of_credit(exchange):
            return ProviderDown(detail)
        case status if 400 <= status < 500:
            return Rejected(_detail(exchange))
        case _:
            return Uncertain(detail)


def _taken(exchange: Exchange) -> SendResult:
    if exchange.error:
        return Uncertain(f"HTTP {exchange.status}, {exchange.error}")
    match _json(exchange.body):
        case {"status": "failed"}:
            return Rejected("failed at once")
        case {"id": str(provider_id)}:
            return Accepted(provider_id)
        case _:
            return Uncertain(f"HTTP {exchange.status} without an id")


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _out_of_credit(exchange: Exchange) -> bool:
    return exchange.status == HTTPStatus.FORBIDDEN and b"credit" in exchange.body.lower()


def _detail(exchange: Exchange) -> str:
    """The reason as 46elks gives it, in words, without the number it may repeat."""
    words = " ".join(mask(exchange.body.decode(errors="replace")).split())
    return f"HTTP {exchange.status}: {words}"[:_DETAIL_LENGTH]


def _retry_after(exchange: Exchange, now: datetime) -> timedelta | None:
    """The header in either of its forms, within reason; None without a readable one."""
    text = exchange.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        asked = int(text.lstrip("0")[:_MOST_DIGITS] or 0)
        wait = timedelta(seconds=asked) if len(text.lstrip("0")) <= _MOST_DIGITS else _LONGEST_WAIT
    else:
        moment = _moment(text)
        if moment is None:
            return None
        wait = moment - now
    return min(max(wait, _SHORTEST_WAIT), _LONGEST_WAIT)


def _moment(text: str) -> datetime | None:
    """An HTTP date as an aware datetime; None for what is none, or beyond what a datetime holds."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
