"""SMS through Sinch's REST API (docs/domain.md, "The SMS provider Sinch").

One batch a notice, of one recipient. The notice's id goes along as `client_reference`, for people
who search Sinch's log. Sinch does not refuse a second batch of the same reference, so a request
that got no answer leaves the outcome uncertain.
"""

import json
from datetime import datetime
from http import HTTPStatus
from typing import Any

from notifier.http_exchange import Exchange, HttpPoster
from notifier.results import Accepted, Rejected, SendResult
from notifier.sms_http import json_of, read_exchange
from notifier.sms_provider import Account, DeliveryReport, Login
from notifier.texts import Text
from shared.base.clock import Clock
from shared.booking.notices import NoticeStatus

_FINAL = {
    "Delivered": NoticeStatus.DELIVERED,
    **dict.fromkeys(
        ("Failed", "Rejected", "Aborted", "Cancelled", "Deleted", "Expired"), NoticeStatus.FAILED
    ),
}


class SmsSinch:
    """As `notifier.sms_provider.SmsProvider`. The account's password is the API token."""

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
            "Content-Type": "application/json",
        }

    def send(self, notice_id: str, address: str, *, several: bool = False) -> SendResult:
        batch = self._batch(notice_id, address, self._text.about(several=several))
        exchange = self._http.post(json.dumps(batch).encode(), self._headers)
        return read_reply(exchange, self._clock())

    def _batch(self, notice_id: str, address: str, text: str) -> dict[str, object]:
        batch: dict[str, object] = {
            "from": self._sender,
            "to": [address],
            "body": text,
            "type": "mt_text",
            "client_reference": notice_id,
        }
        if self._report_url:
            batch["delivery_report"] = "per_recipient_final"
            batch["callback_url"] = f"{self._report_url}/{notice_id}"
        return batch

    @staticmethod
    def read_report(body: bytes) -> DeliveryReport | None:
        """`Unknown`, the operator's silence, decides nothing."""
        match json_of(body):
            case {"batch_id": str(batch_id), "status": str(status)} if status in _FINAL:
                return DeliveryReport(_FINAL[status], batch_id)
        return None

    @staticmethod
    def login(account: Account) -> Login:
        """The latest batches are listed at the address that takes them."""
        return Login(f"{account.url}?page_size=1", _login_headers(account))


Provider = SmsSinch


def _login_headers(account: Account) -> dict[str, str]:
    return {"Authorization": f"Bearer {account.password}"}


def read_reply(exchange: Exchange, now: datetime) -> SendResult:
    """What an exchange with Sinch means. Raises nothing, whatever was answered."""
    return read_exchange(exchange, now, taken=_taken, our_fault=_is_about_us)


def _taken(said: Any) -> SendResult | None:
    match said:
        case {"canceled": True}:
            return Rejected("cancelled at once")
        case {"id": str(batch_id)}:
            return Accepted(batch_id)
    return None


def _is_about_us(exchange: Exchange) -> bool:
    """403: a group, campaign or callback URL that Sinch does not know. The number gets a 400."""
    return exchange.status == HTTPStatus.FORBIDDEN
