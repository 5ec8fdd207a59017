"""SMS through 46elks' HTTP API (DOMAIN, "The notice").

It has no idempotency key, so a request that got no answer leaves the outcome uncertain. Each
message takes a connection of its own: on a reused one, "the peer had closed it" and "the peer took
it and closed" look the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ProxyError

from notifier.replies import Accepted, Away, Rejected, Reply, Uncertain
from shared.base.clock import Clock
from shared.booking.contact_points import mask

#: What a provider that is over its rate gets when it does not say for how long.
_BUSY_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=1)
_DETAIL_LENGTH = 120

#: Refusals that concern us, not the number: credentials, credit, a wrong URL.
_OUR_FAULT = frozenset({300, 301, 302, 303, 307, 308, 401, 402, 404, 405, 407, 408})


@dataclass(frozen=True, slots=True)
class Account:
    url: str  # of POST /a1/sms, posted to exactly as it is
    username: str
    password: str
    sender: str  # what the patient's phone shows
    connect_seconds: float = 5
    read_seconds: float = 20


class Sms46elks:
    """Sends every notice with the same `text`.

    `report_url`: where delivery reports are taken; the notice's id is appended to it.
    """

    def __init__(self, account: Account, text: str, *, report_url: str = "", clock: Clock) -> None:
        self._account = account
        self._text = text
        self._report_url = report_url
        self._clock = clock
        self._http = _http_towards(account.url)
        login = urllib3.make_headers(basic_auth=f"{account.username}:{account.password}")
        self._headers = {
            "Authorization": login["authorization"],
            "Content-Type": "application/x-www-form-urlencoded",
            "Connection": "close",
        }

    def send(self, notice_id: str, address: str) -> Reply:
        account = self._account
        try:
            response = self._http.urlopen(
                "POST",
                account.url,
                body=urlencode(self._form(notice_id, address)),
                headers=self._headers,
                timeout=urllib3.Timeout(connect=account.connect_seconds, read=account.read_seconds),
                retries=False,
                redirect=False,
            )
        except HTTPError as error:
            return _unanswered(error)
        return _answered(response, self._clock())

    def _form(self, notice_id: str, address: str) -> dict[str, str]:
        form = {
            "from": self._account.sender,
            "to": address,
            "message": self._text,
            "dontlog": "message",
        }
        if self._report_url:
            form["whendelivered"] = f"{self._report_url}/{notice_id}"
        return form


def _http_towards(url: str) -> urllib3.PoolManager:
    """Through the proxy that the environment names for `url` (HTTPS_PROXY, NO_PROXY), if any."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.hostname or ""):
        return urllib3.ProxyManager(proxy)
    return urllib3.PoolManager()


def _unanswered(error: HTTPError) -> Reply:
    """Refused, no such host, timed out while connecting: then nothing was sent."""
    name = type(error).__name__
    never_sent = isinstance(error, ConnectTimeoutError | ProxyError)  # roots of all of these
    return Away(name) if never_sent else Uncertain(name)


def _answered(response: urllib3.BaseHTTPResponse, now: datetime) -> Reply:
    detail = f"HTTP {response.status}"
    match response.status:
        case status if 200 <= status < 300:
            return _taken(response)
        case HTTPStatus.CONFLICT:  # a duplicate: it is there already
            return Accepted()
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Away(detail, _retry_after(response.headers, now) or _BUSY_WAIT)
        case HTTPStatus.SERVICE_UNAVAILABLE:
            return Away(detail, _retry_after(response.headers, now))
        case status if status in _OUR_FAULT or _out_of_credit(response):
            return Away(detail)
        case status if 400 <= status < 500:
            return Rejected(_detail(response))
        case _:
            return Uncertain(detail)


def _taken(response: urllib3.BaseHTTPResponse) -> Reply:
    match _json(response.data):
        case {"status": "failed"}:
            return Rejected("failed at once")
        case {"id": str(provider_id)}:
            return Accepted(provider_id)
        case _:
            return Uncertain(f"HTTP {response.status} without an id")


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _out_of_credit(response: urllib3.BaseHTTPResponse) -> bool:
    return response.status == HTTPStatus.FORBIDDEN and b"credit" in response.data.lower()


def _detail(response: urllib3.BaseHTTPResponse) -> str:
    """The reason as 46elks gives it, in words, without the number it may repeat."""
    words = " ".join(mask(response.data.decode(errors="replace")).split())
    return f"HTTP {response.status}: {words}"[:_DETAIL_LENGTH]


def _retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """The header in either of its forms, within reason; None without one."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        wait = timedelta(seconds=min(int(text), _LONGEST_WAIT.total_seconds()))
    else:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return min(max(wait, timedelta(seconds=1)), _LONGEST_WAIT)
