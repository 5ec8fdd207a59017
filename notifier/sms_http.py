"""What the HTTP statuses of an SMS provider mean, where all providers agree.

==================================  ========================================================
answer                              meaning
==================================  ========================================================
none, and no byte of the body sent  the provider is down
none, or not whole                  uncertain: perhaps taken
2xx                                 as the provider's own class reads it
409                                 accepted: a duplicate, so it has been taken
429, 503                            the provider is down, for as long as it asks
401, 402, 404 and the like          the provider is down: a fault of ours, not of the number
another 4xx                         never taken, unless the class knows it for a fault of ours
anything else                       uncertain
==================================  ========================================================

A status that says "not taken" is believed as soon as it has come, whatever becomes of the rest of
the reply. The providers have no idempotency key, so a request without an answer stays uncertain.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from notifier.http_exchange import Exchange
from notifier.results import Accepted, ProviderDown, Rejected, SendResult, Uncertain
from shared.booking.contact_points import mask

#: What a provider that is over its rate gets when it does not say for how long.
_BUSY_WAIT = timedelta(minutes=1)
_SHORTEST_WAIT = timedelta(seconds=1)
_LONGEST_WAIT = timedelta(hours=1)
_MOST_DIGITS = 6
_DETAIL_LENGTH = 120

#: Refusals that concern us, not the number: credentials, credit, a wrong URL.
_OUR_FAULT = frozenset({300, 301, 302, 303, 307, 308, 401, 402, 404, 405, 407, 408, 415})


def read_exchange(
    exchange: Exchange,
    now: datetime,
    *,
    taken: Callable[[Any], SendResult | None],
    our_fault: Callable[[Exchange], bool],
) -> SendResult:
    """What an exchange with a provider means. Raises nothing, whatever was answered.

    `taken` reads the JSON of a whole 2xx reply, None if it is none; it returns None for what has no
    id. `our_fault` tells a 4xx that concerns us from one that concerns the number.
    """
    if exchange.status is None:
        error = exchange.error or "no HTTP reply"
        return Uncertain(error) if exchange.body_sent else ProviderDown(error)
    detail = f"HTTP {exchange.status}"
    match exchange.status:
        case status if 200 <= status < 300:
            return _taken(exchange, taken)
        case HTTPStatus.CONFLICT:
            return Accepted()
        case HTTPStatus.TOO_MANY_REQUESTS:
            return ProviderDown(detail, _retry_after(exchange, now) or _BUSY_WAIT)
        case HTTPStatus.SERVICE_UNAVAILABLE:
            return ProviderDown(detail, _retry_after(exchange, now))
        case status if status in _OUR_FAULT or (400 <= status < 500 and our_fault(exchange)):
            return ProviderDown(detail)
        case status if 400 <= status < 500:
            return Rejected(_detail(exchange))
        case _:
            return Uncertain(detail)


def json_of(content: bytes) -> Any:
    """What the JSON says; None when it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _taken(exchange: Exchange, read: Callable[[Any], SendResult | None]) -> SendResult:
    if exchange.error:
        return Uncertain(f"HTTP {exchange.status}, {exchange.error}")
    return read(json_of(exchange.body)) or Uncertain(f"HTTP {exchange.status} without an id")


def _detail(exchange: Exchange) -> str:
    """The reason as the provider gives it, in words, without the number it may repeat."""
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
