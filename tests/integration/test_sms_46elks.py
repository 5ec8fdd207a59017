"""The SMS client against a provider on loopback: what goes over the wire, what answers mean."""

import base64
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from notifier.results import Accepted, ProviderDown, Rejected, SendResult, Uncertain
from notifier.sms_46elks import Sms46elks
from notifier.sms_provider import Account
from notifier.texts import Text
from tests.provider import HttpProvider, hang, http_provider
from tests.services.ports import free_port

NOW = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)
MOBILE = "+46701740605"
TEXT = Text("Du har fått ett nytt meddelande.", "Du har fått nya meddelanden.")


@pytest.fixture
def provider() -> Iterator[HttpProvider]:
    with http_provider() as started:
        yield started


def client(url: str, report_url: str = "", seconds: float = 5) -> Sms46elks:
    account = Account(url, "u1", "p1", "Inkorg1177", connect_seconds=1, seconds=seconds)
    return Sms46elks(account, TEXT, report_url=report_url, clock=lambda: NOW)


def send(url: str) -> SendResult:
    return client(url).send("notice", MOBILE)


def test_the_form_is_46elks_form(provider: HttpProvider) -> None:
    assert send(provider.url) == Accepted("s70df59406a")
    [asked] = provider.asked
    assert asked.path == "/a1/sms"
    assert asked.form == {
        "from": "Inkorg1177",
        "to": MOBILE,
        "message": TEXT.one,
        "dontlog": "message",
    }
    assert asked.headers["Authorization"] == f"Basic {base64.b64encode(b'u1:p1').decode()}"
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_several_messages_have_a_text_of_their_own(provider: HttpProvider) -> None:
    client(provider.url).send("notice", MOBILE, several=True)
    assert provider.asked[0].form["message"] == TEXT.several


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
        (403, {}, b"Not enough credits", ProviderDown("HTTP 403")),
        (401, {}, b"", ProviderDown("HTTP 401")),
        (404, {}, b"", ProviderDown("HTTP 404")),
        (302, {"Location": "/elsewhere"}, b"", ProviderDown("HTTP 302")),
        (429, {"Retry-After": "42"}, b"", ProviderDown("HTTP 429", timedelta(seconds=42))),
        (429, {"Retry-After": "9" * 30}, b"", ProviderDown("HTTP 429", timedelta(hours=1))),
        (429, {"Retry-After": "soon"}, b"", ProviderDown("HTTP 429", timedelta(minutes=1))),
        (429, {}, b"", ProviderDown("HTTP 429", timedelta(minutes=1))),
        (
            429,
            {"Retry-After": "Thu, 03 Dec 2026 11:00:30 GMT"},
            b"",
            ProviderDown("HTTP 429", timedelta(seconds=30)),
        ),
        (503, {}, b"", ProviderDown("HTTP 503")),
        (503, {"Retry-After": "5"}, b"", ProviderDown("HTTP 503", timedelta(seconds=5))),
        (500, {}, b"", Uncertain("HTTP 500")),
        (502, {}, b"", Uncertain("HTTP 502")),
        (504, {}, b"", Uncertain("HTTP 504")),
    ],
)
def test_answers(
    provider: HttpProvider, status: int, headers: dict[str, str], body: bytes, reply: SendResult
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
    assert send(f"http://127.0.0.1:{free_port()}/a1/sms") == ProviderDown("E_COULDNT_CONNECT")


def test_an_unknown_host_sent_nothing() -> None:
    assert send("http://nowhere.invalid/a1/sms") == ProviderDown("E_COULDNT_RESOLVE_HOST")


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
        assert send("http://sms.invalid/a1/sms") == ProviderDown("E_COULDNT_CONNECT")


class TestBeforeTheRequest:
    """What goes wrong before a byte of it is handed over sent nothing, however it goes wrong."""

    @pytest.fixture
    def peer(self) -> Iterator[Callable[[bytes], str]]:
        """Something on loopback that says these bytes to whoever connects, and no more."""
        listener = socket.create_server(("127.0.0.1", 0))
        connections: list[socket.socket] = []

        def serve(says: bytes) -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connections.append(connection)
                    connection.sendall(says)

        def start(says: bytes) -> str:
            Thread(target=serve, args=[says], daemon=True).start()
            return f"127.0.0.1:{listener.getsockname()[1]}"

        yield start
        for one in [listener, *connections]:
            one.close()

    def test_a_handshake_that_never_ends(self, peer: Callable[[bytes], str]) -> None:
        result = client(f"https://{peer(b'')}/a1/sms", seconds=0.5).send("n", MOBILE)
        assert result == ProviderDown("E_OPERATION_TIMEDOUT")

    def test_one_that_does_not_speak_tls(self, peer: Callable[[bytes], str]) -> None:
        result = client(f"https://{peer(b'HTTP/1.1 200 OK' * 9)}/a1/sms").send("n", MOBILE)
        assert result == ProviderDown("E_SSL_CONNECT_ERROR")

    @pytest.mark.parametrize(
        "says",
        [
            b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 Connected\r\n\r\n",  # and then nothing
            b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + b'{"id": "s"}',
            b"HTTP/1.1 200 OK\r\n" + b"X-Long: x\r\n" * 10_000,
            b"",
        ],
    )
    def test_a_proxy_without_a_tunnel(
        self, peer: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch, says: bytes
    ) -> None:
        monkeypatch.setenv("https_proxy", f"http://{peer(says)}")
        result = client("https://sms.invalid/a1/sms", seconds=0.5).send("n", MOBILE)
        assert isinstance(result, ProviderDown)
