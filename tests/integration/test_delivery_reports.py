"""Delivery reports over HTTP: who may send them, and when they are to be sent again."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import requests

from notifier.delivery_reports import DeliveryReports
from notifier.sms_provider import report_url
from shared.base.errors import Unavailable
from shared.booking.notices import Channel, NoticeStatus
from tests.idle_connections import idle_connections
from tests.polling import eventually

SECRET = "abcdefghijklmnopqrst"


@dataclass
class Ledger:
    recorded: list[tuple[str, NoticeStatus, str]] = field(default_factory=list)
    observed: list[tuple[Channel, NoticeStatus, str]] = field(default_factory=list)
    away: bool = False

    def record(self, notice_id: str, status: NoticeStatus, provider_id: str) -> int:
        if self.away:
            raise Unavailable("database_unavailable")
        self.recorded.append((notice_id, status, provider_id))
        return int(notice_id == "known" and len(self.recorded) == 1)

    def observe(self, channel: Channel, status: NoticeStatus, detail: str) -> None:
        self.observed.append((channel, status, detail))


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def reports(ledger: Ledger) -> Iterator[DeliveryReports]:
    server = DeliveryReports("127.0.0.1:0", SECRET, ledger.record, ledger.observe)
    server.start()
    yield server
    server.stop()


def post(reports: DeliveryReports, notice_id: str = "known", **form: str) -> int:
    url = f"{report_url(reports.url, SECRET, '46elks')}/{notice_id}"
    return requests.post(url, data=form or DELIVERED, timeout=5).status_code


DELIVERED = {"id": "s1", "status": "delivered", "delivered": "2026-12-03T11:00:00.000000"}


@pytest.mark.parametrize("status", [NoticeStatus.DELIVERED, NoticeStatus.FAILED])
def test_a_report_is_written_down(
    reports: DeliveryReports, ledger: Ledger, status: NoticeStatus
) -> None:
    assert post(reports, id="s1", status=status) == 204
    assert ledger.recorded == [("known", status, "s1")]
    assert ledger.observed == [(Channel.SMS, status, "reported")]


def test_repeats_are_welcome_and_counted_once(reports: DeliveryReports, ledger: Ledger) -> None:
    assert [post(reports), post(reports)] == [204, 204]
    assert len(ledger.observed) == 1


def test_unknown_notices_are_answered_all_the_same(
    reports: DeliveryReports, ledger: Ledger
) -> None:
    assert post(reports, "unknown") == 204
    assert ledger.observed == []


@pytest.mark.parametrize("status", ["created", "sent", "", "delivered\x00"])
def test_what_decides_nothing_is_not_written_down(
    reports: DeliveryReports, ledger: Ledger, status: str
) -> None:
    assert post(reports, id="s1", status=status) == 204
    assert ledger.recorded == []


def test_with_the_database_away_it_is_to_be_sent_again(
    reports: DeliveryReports, ledger: Ledger
) -> None:
    ledger.away = True
    assert post(reports) == 503
    ledger.away = False
    assert post(reports) == 204


@pytest.mark.parametrize("path", ["/sms-reports/wrong/known", "/sms-reports/å/known", "/", "/x"])
def test_without_the_secret_there_is_nothing(
    reports: DeliveryReports, ledger: Ledger, path: str
) -> None:
    answer = requests.post(reports.url + path, data=DELIVERED, timeout=5)
    assert answer.status_code == 404
    assert ledger.recorded == []


def test_only_posts_are_taken(reports: DeliveryReports) -> None:
    assert (
        requests.get(f"{report_url(reports.url, SECRET, '46elks')}/known", timeout=5).status_code
        == 405
    )


def test_a_body_no_report_has_is_refused(reports: DeliveryReports, ledger: Ledger) -> None:
    assert post(reports, id="s1", status="delivered", more="x" * 20_000) == 413
    assert ledger.recorded == []


def test_idle_connections_keep_no_report_out(reports: DeliveryReports) -> None:
    with idle_connections(reports.url, 120):
        assert [post(reports) for _ in range(5)] == [204] * 5


def test_stopped_it_listens_no_more(ledger: Ledger) -> None:
    server = DeliveryReports("127.0.0.1:0", SECRET, ledger.record, ledger.observe)
    address = server.url.removeprefix("http://").split(":")
    server.start()
    assert eventually(lambda: post(server)) == 204
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address[0], int(address[1])), timeout=1)


def test_the_address_told_to_the_provider_is_the_one_served() -> None:
    assert report_url("https://us.example.org/in/", SECRET, "sinch") == (
        f"https://us.example.org/in/sms-reports/{SECRET}/sinch"
    )


def test_an_address_of_an_earlier_version_is_46elks(
    reports: DeliveryReports, ledger: Ledger
) -> None:
    url = f"{reports.url}/sms-reports/{SECRET}/known"
    assert requests.post(url, data=DELIVERED, timeout=5).status_code == 204
    assert ledger.recorded == [("known", NoticeStatus.DELIVERED, "s1")]


def test_of_a_provider_that_there_is_not_nothing_is_taken(
    reports: DeliveryReports, ledger: Ledger
) -> None:
    for name in ("nobody", "http", "provider", "..", "a.b"):
        url = f"{reports.url}/sms-reports/{SECRET}/{name}/known"
        assert requests.post(url, data=DELIVERED, timeout=5).status_code == 404
    assert ledger.recorded == []


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("Delivered", NoticeStatus.DELIVERED),
        ("Failed", NoticeStatus.FAILED),
        ("Aborted", NoticeStatus.FAILED),
        ("Expired", NoticeStatus.FAILED),
        ("Dispatched", None),
        ("Unknown", None),
    ],
)
def test_a_report_of_sinch_is_written_down(
    reports: DeliveryReports, ledger: Ledger, said: str, status: NoticeStatus | None
) -> None:
    url = f"{report_url(reports.url, SECRET, 'sinch')}/known"
    report = {"type": "recipient_delivery_report_sms", "batch_id": "01FC", "status": said}
    assert requests.post(url, json=report, timeout=5).status_code == 204
    assert ledger.recorded == ([("known", status, "01FC")] if status else [])
