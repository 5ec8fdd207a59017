"""The SMS client against a provider on loopback: what goes over the wire, what answers mean."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from notifier.replies import Accepted, Away, Rejected, Reply, Uncertain
from notifier.sms_46elks import Account, Sms46elks
from tests.provider import HttpProvider, hang, http_provider
from tests.services.ports import free_port

NOW = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)
MOBILE = "+46701740605"
TEXT = "Du har fått ett nytt meddelande."


@pytest.fixture
def provider() -> Iterator[HttpProvider]:
    with http_provider() as started:
        yield started


def client(url: str, report_url: str = "", seconds: float = 5) -> Sms46elks:
    account = Account(url, "u1", "p1", "Inkorg1177", connect_seconds=1, seconds=seconds)
    return Sms46elks(account, TEXT, report_url=report_url, clock=lambda: NOW)


def send(url: str) -> Reply:
    return client(url).send("notice", MOBILE)


def test_the_form_is_46elks_form(provider: HttpProvider) -> None:
    assert send(provider.url) == Accepted("s70df59406a")
    [asked] = provider.asked
    assert asked.path == "/a1/sms"
    assert asked.form == {
        "from": "Inkorg1177",
        "to": MOBILE,
        "message": TEXT,
        "dontlog": "message",
    }
    assert asked.headers["Authorization"] == f"Basic {base64.b64encode(b'u1:p1').decode()}"
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_a_report_is_asked_for_by_our_own_id(provider: HttpProvider) -> None:
    client(provider.url, "https://us.example.org/sms-reports/secret").send("abc", MOBILE)
    report = "https://us.example.org/sms-reports/secret/abc"
    assert provider.asked[0].form["whendelivered"] == report


@pytest.mark.parametrize(
    ("status", "headers", "body", "reply"),
    [
        (200, {}, b'{"status": "failed", "id": "s1"}', Rejected("failed at once")),
        (200, {}, b"<html>welcome</html>", Uncertain("HTTP 200 without an id")),
        (200, {}, b"[]", Uncertain("HTTP 200 without an id")),
        (200, {}, b"\xff\xfe", Uncertain("HTTP 200 without an id")),
        (409, {}, b"duplicate", Accepted()),
        (400, {}, b"Bad number +46701740605\n", Rejected("HTTP 400: Bad number [number]")),
        (403, {}, b"Not allowed", Rejected("HTTP 403: Not allowed")),
        (403, {}, b"Not enough credits", Away("HTTP 403")),
        (401, {}, b"", Away("HTTP 401")),
        (404, {}, b"", Away("HTTP 404")),
        (302, {"Location": "/elsewhere"}, b"", Away("HTTP 302")),
        (429, {"Retry-After": "42"}, b"", Away("HTTP 429", timedelta(seconds=42))),
        (429, {"Retry-After": "9" * 30}, b"", Away("HTTP 429", timedelta(hours=1))),
        (429, {"Retry-After": "soon"}, b"", Away("HTTP 429", timedelta(minutes=1))),
        (429, {}, b"", Away("HTTP 429", timedelta(minutes=1))),
        (
            429,
            {"Retry-After": "Thu, 03 Dec 2026 11:00:30 GMT"},
            b"",
            Away("HTTP 429", timedelta(seconds=30)),
        ),
        (503, {}, b"", Away("HTTP 503")),
        (503, {"Retry-After": "5"}, b"", Away("HTTP 503", timedelta(seconds=5))),
        (500, {}, b"", Uncertain("HTTP 500")),
        (502, {}, b"", Uncertain("HTTP 502")),
        (504, {}, b"", Uncertain("HTTP 504")),
    ],
)
def test_answers(
    provider: HttpProvider, status: int, headers: dict[str, str], body: bytes, reply: Reply
) -> None:
    provider.status, provider.headers, provider.body = status, headers, body
    assert send(provider.url) == reply
    assert len(provider.asked) == 1


def test_no_answer_in_time_is_uncertain(provider: HttpProvider) -> None:
    provider.before = hang(0.5)
    reply = client(provider.url, seconds=0.2).send("n", MOBILE)
    assert reply == Uncertain("E_OPERATION_TIMEDOUT")


def test_a_connection_lost_after_the_request_is_uncertain(provider: HttpProvider) -> None:
    provider.hangs_up = True
    assert send(provider.url) == Uncertain("E_GOT_NOTHING")


def test_a_refused_connection_sent_nothing() -> None:
    assert send(f"http://127.0.0.1:{free_port()}/a1/sms") == Away("E_COULDNT_CONNECT")


def test_an_unknown_host_sent_nothing() -> None:
    assert send("http://nowhere.invalid/a1/sms") == Away("E_COULDNT_RESOLVE_HOST")


class TestProxy:
    """As the environment names it, which is how regions let a process out of their networks."""

    def test_the_request_goes_through_it(
        self, provider: HttpProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", provider.url.removesuffix("/a1/sms"))
        assert send("http://sms.invalid/a1/sms") == Accepted("s70df59406a")
        assert provider.asked[0].path == "http://sms.invalid/a1/sms"

    def test_not_for_hosts_that_need_none(
        self, provider: HttpProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert send(provider.url) == Accepted("s70df59406a")

    def test_one_that_is_away_sent_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
        assert send("http://sms.invalid/a1/sms") == Away("E_COULDNT_CONNECT")
