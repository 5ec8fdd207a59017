"""SMS through 46elks' HTTP API (docs/domain.md, "The SMS provider 46elks").

It has no idempotency key, so a request that got no answer leaves the outcome uncertain.
"""

from base64 import b64encode
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlencode

from notifier.http_exchange import Exchange, HttpPoster
from notifier.results import Accepted, Rejected, SendResult
from notifier.sms_http import read_exchange
from notifier.sms_provider import Account, DeliveryReport, Login
from notifier.texts import Text
from shared.base.clock import Clock
from shared.booking.notices import NoticeStatus

_REPORTED = {"delivered": NoticeStatus.DELIVERED, "failed": NoticeStatus.FAILED}


class Sms46elks:
    """As `notifier.sms_provider.SmsProvider`."""

    def __init__(self, account: Account, text: Text, *, report_url: str = "", clock: Clock) -> None:
        self._sender = account.sender
        self._text = text
        self._report_url = report_url
        self._clock = clock
        self._http = HttpPoster(
            account.url, seconds=account.seconds, connect_seconds=account.connect_seconds
        )
        self._headers = {
            **_login_headers(account),
            "Content-Type": "application/x-www-form-urlencoded",
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

    @staticmethod
    def read_report(body: bytes) -> DeliveryReport | None:
        form = parse_qs(body.decode(errors="replace"))
        status = _REPORTED.get(form.get("status", [""])[0])
        return DeliveryReport(status, form.get("id", [""])[0]) if status else None

    @staticmethod
    def login(account: Account) -> Login:
        """`/a1/me`, beside `/a1/sms`, answers about the account."""
        return Login(account.url.removesuffix("/sms") + "/me", _login_headers(account))


Provider = Sms46elks


def _login_headers(account: Account) -> dict[str, str]:
    login = b64encode(f"{account.username}:{account.password}".encode()).decode()
    return {"Authorization": f"Basic {login}"}


def read_reply(exchange: Exchange, now: datetime) -> SendResult:
    """What an exchange with the provider means. Raises nothing, whatever was answered."""
    return read_exchange(exchange, now, taken=_taken, our_fault=_out_of_credit)


def _taken(said: Any) -> SendResult | None:
    match said:
        case {"status": "failed"}:
            return Rejected("failed at once")
        case {"id": str(provider_id)}:
            return Accepted(provider_id)
    return None


def _out_of_credit(exchange: Exchange) -> bool:
    return exchange.status == HTTPStatus.FORBIDDEN and b"credit" in exchange.body.lower()
