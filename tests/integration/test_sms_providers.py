"""One suite for every SMS provider there is: what it makes of all that can become of a sending.

The sandbox plays each provider. A new file `notifier/sms_NAME.py` is in the suite by being there,
and fails it until the sandbox plays that provider too.
"""

import pkgutil
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
import trustme

import notifier
from notifier.delivery_reports import DeliveryReports
from notifier.results import Accepted, ProviderDown, Rejected, SendResult, Uncertain
from notifier.sms_provider import (
    Account,
    SmsProvider,
    has_provider,
    provider_class,
    report_url,
)
from notifier.texts import Text
from shared.booking.notices import NoticeStatus
from tests.certificates import write_server_files
from tests.polling import eventually
from tests.sandbox_world import RunningWorld, running_world
from tests.services.ports import free_port

pytestmark = pytest.mark.slow

NOW = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MOBILE = "+46701740605"
SECRET = "abcdefghijklmnopqrst"
TEXT = Text("Du har fått ett nytt meddelande.", "Du har fått nya meddelanden.")

_NAMES = [module.name.removeprefix("sms_") for module in pkgutil.iter_modules(notifier.__path__)]
PROVIDERS = [name for name in _NAMES if has_provider(name)]
#: What the sandbox calls each.
PLAYED = {"46elks": "sms", "sinch": "sinch"}


@pytest.fixture(scope="module")
def shared_world() -> Iterator[RunningWorld]:
    with running_world(
        sandbox_sms_report_seconds=0.02, sandbox_sms_login="u1:p1", sandbox_sinch_token="p1"
    ) as world:
        yield world


class Scene:
    """One provider, as the sandbox plays it, and our client for it."""

    def __init__(self, world: RunningWorld, name: str) -> None:
        self._world = world
        self.name = name
        self.target = PLAYED[name]
        self.url: str = getattr(world.addresses, self.target)
        world.control("DELETE", f"/{self.target}")
        world.control("DELETE", f"/faults/{self.target}")

    def send(
        self,
        url: str = "",
        *,
        reports: str = "",
        password: str = "p1",
        number: str = MOBILE,
        several: bool = False,
    ) -> SendResult:
        account = Account(
            url or self.url, "u1", password, "Inkorg1177", connect_seconds=1, seconds=0.6
        )
        provider = provider_class(self.name)(account, TEXT, report_url=reports, clock=lambda: NOW)
        return provider.send("noticenoticenoticeno", number, several=several)

    def fault(self, kind: str, **terms: object) -> None:
        self._world.control("POST", f"/faults/{self.target}", {"kind": kind, "count": 1, **terms})

    @property
    def caught(self) -> list[dict[str, object]]:
        caught: list[dict[str, object]] = self._world.control("GET", f"/{self.target}")
        return caught


@pytest.fixture(params=PROVIDERS)
def scene(shared_world: RunningWorld, request: pytest.FixtureRequest) -> Scene:
    return Scene(shared_world, request.param)


def test_there_are_two_and_the_sandbox_plays_both() -> None:
    assert set(PROVIDERS) == set(PLAYED) == {"46elks", "sinch"}


@pytest.mark.parametrize(("several", "text"), [(False, TEXT.one), (True, TEXT.several)])
def test_accepted(scene: Scene, several: bool, text: str) -> None:
    result = scene.send(several=several)
    [sms] = scene.caught
    assert result == Accepted(str(sms["id"]))
    assert (sms["from"], sms["to"], sms["message"]) == ("Inkorg1177", MOBILE, text)
    assert sms["parts"] == 1


def test_refused(scene: Scene) -> None:
    result = scene.send(number="070-1740605")
    assert isinstance(result, Rejected)
    assert "1740605" not in result.detail
    assert scene.caught == []


def test_a_login_that_is_wrong_is_a_fault_of_ours(scene: Scene) -> None:
    assert scene.send(password="other") == ProviderDown("HTTP 401")
    assert scene.caught == []


def test_an_address_that_is_wrong_is_a_fault_of_ours(scene: Scene) -> None:
    assert scene.send(f"{scene.url}x") == ProviderDown("HTTP 404")


@pytest.mark.parametrize(
    ("kind", "terms", "result"),
    [
        ("429", {"retryAfter": "42"}, ProviderDown("HTTP 429", 42 * SECOND)),
        ("429", {}, ProviderDown("HTTP 429", 60 * SECOND)),
        ("fault", {"status": 503, "retryAfter": "7"}, ProviderDown("HTTP 503", 7 * SECOND)),
        ("fault", {"status": 503}, ProviderDown("HTTP 503")),
        ("fault", {"status": 500}, Uncertain("HTTP 500")),
        ("fault", {"status": 502}, Uncertain("HTTP 502")),
        ("fault", {"status": 504}, Uncertain("HTTP 504")),
        ("refuse", {"status": 402}, ProviderDown("HTTP 402")),
        ("hang", {"seconds": 3}, Uncertain("E_OPERATION_TIMEDOUT")),
        ("hang-up", {}, Uncertain("E_GOT_NOTHING")),
    ],
)
def test_not_taken(scene: Scene, kind: str, terms: dict[str, object], result: SendResult) -> None:
    scene.fault(kind, **terms)
    assert scene.send() == result
    assert scene.caught == []


@pytest.mark.parametrize(
    ("kind", "terms"),
    [
        ("timeout-after-accept", {"seconds": 3}),
        ("hang-up-after-accept", {}),
        ("slow-drip", {"drip_seconds": 10}),
        ("garbage", {}),
        ("too-large", {}),
        ("gzip-bomb", {}),
        ("deep-json", {}),
    ],
)
def test_taken_without_a_sound_answer_is_uncertain(
    scene: Scene, kind: str, terms: dict[str, object]
) -> None:
    scene.fault(kind, **terms)
    assert isinstance(scene.send(), Uncertain)
    assert len(scene.caught) == 1


@pytest.mark.parametrize(
    ("fault", "status"), [(None, NoticeStatus.DELIVERED), ("undelivered", NoticeStatus.FAILED)]
)
def test_what_became_of_it_is_reported_by_our_own_id(
    scene: Scene, fault: str | None, status: NoticeStatus
) -> None:
    recorded: list[tuple[str, NoticeStatus, str]] = []

    def record(*report: object) -> int:
        recorded.append(report)  # type: ignore[arg-type]
        return 1

    server = DeliveryReports("127.0.0.1:0", SECRET, record, lambda *_: None)
    server.start()
    try:
        if fault:
            scene.fault(fault)
        result = scene.send(reports=report_url(server.url, SECRET, scene.name))
        assert isinstance(result, Accepted)
        eventually(lambda: len(recorded) > 0)
    finally:
        server.stop()
    assert recorded == [("noticenoticenoticeno", status, result.provider_id)]


def test_the_login_can_be_tried_without_sending(scene: Scene) -> None:
    account = Account(scene.url, "u1", "p1", "Inkorg1177")
    login = provider_class(scene.name).login(account)
    assert "p1" not in login.url
    assert login.headers["Authorization"].split()[0] in {"Basic", "Bearer"}


class Peer:
    """Something on loopback that answers whoever connects with these bytes, once it has read."""

    def __init__(self, *, reads: bool, context: ssl.SSLContext | None = None) -> None:
        self._reads = reads
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.heard = b""
        Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        try:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            if self._reads:
                self.heard = connection.recv(65536)
                connection.sendall(
                    b'HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{"id": "s1"}'
                )
        except OSError:
            pass
        finally:
            connection.close()


def test_a_refused_connection_sent_nothing(scene: Scene) -> None:
    result = scene.send(f"http://127.0.0.1:{free_port()}/")
    assert result == ProviderDown("E_COULDNT_CONNECT")


def test_a_connection_that_is_closed_at_once_may_have_been_taken(scene: Scene) -> None:
    """The request may have been read before: nobody knows."""
    peer = Peer(reads=False)
    assert isinstance(scene.send(f"http://127.0.0.1:{peer.port}/"), Uncertain | ProviderDown)
    peer.close()


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
        """One that this machine trusts."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        return authority

    def peer(self, authority: trustme.CA, folder: Path) -> Peer:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*write_server_files(authority, folder))
        return Peer(reads=True, context=context)

    def test_sends(self, scene: Scene, authority: trustme.CA, tmp_path: Path) -> None:
        peer = self.peer(authority, tmp_path)
        assert scene.send(f"https://127.0.0.1:{peer.port}/sms") == Accepted("s1")
        assert peer.heard.startswith(b"POST /sms HTTP/1.1\r\n")
        peer.close()

    def test_a_certificate_of_nobody_we_trust_sends_nothing(
        self, scene: Scene, authority: trustme.CA, tmp_path: Path
    ) -> None:
        peer = self.peer(trustme.CA(), tmp_path)
        result = scene.send(f"https://127.0.0.1:{peer.port}/sms")
        assert result == ProviderDown("E_PEER_FAILED_VERIFICATION")
        assert peer.heard == b""
        peer.close()


class TestKeptConnections:
    """A connection is used again only while it is surely alive; a request is never repeated."""

    @pytest.fixture
    def peer(self) -> Iterator["KeepingPeer"]:
        peer = KeepingPeer()
        yield peer
        peer.close()

    def sender(self, scene: Scene, peer: "KeepingPeer") -> SmsProvider:
        account = Account(peer.url, "u1", "p1", "Inkorg1177", connect_seconds=1, seconds=2)
        return provider_class(scene.name)(account, TEXT, clock=lambda: NOW)

    def test_are_used_for_what_follows_at_once(self, scene: Scene, peer: "KeepingPeer") -> None:
        provider = self.sender(scene, peer)
        results = [provider.send("notice", MOBILE) for _ in range(10)]
        assert results == [Accepted("s1")] * 10
        assert (peer.connections, peer.requests) == (1, 10)

    def test_are_used_over_tls(
        self, scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*write_server_files(authority, tmp_path))
        peer = KeepingPeer(context)
        provider = self.sender(scene, peer)
        assert [provider.send("notice", MOBILE) for _ in range(10)] == [Accepted("s1")] * 10
        assert (peer.connections, peer.requests) == (1, 10)
        peer.close()

    def test_are_not_used_when_the_peer_has_closed_them(
        self, scene: Scene, peer: "KeepingPeer"
    ) -> None:
        provider = self.sender(scene, peer)
        peer.closes_after = 1
        for _ in range(5):
            assert provider.send("notice", MOBILE) == Accepted("s1")
            eventually(lambda: peer.open_connections == 0)
        assert (peer.connections, peer.requests) == (5, 5)

    def test_are_not_used_when_they_have_been_idle(self, scene: Scene, peer: "KeepingPeer") -> None:
        provider = self.sender(scene, peer)
        provider.send("notice", MOBILE)
        time.sleep(2.1)
        assert provider.send("notice", MOBILE) == Accepted("s1")
        assert peer.connections == 2

    def test_that_die_under_a_request_leave_it_uncertain_and_unrepeated(
        self, scene: Scene, peer: "KeepingPeer"
    ) -> None:
        provider = self.sender(scene, peer)
        assert provider.send("notice", MOBILE) == Accepted("s1")
        peer.hangs_up = True
        assert isinstance(provider.send("notice", MOBILE), Uncertain)
        assert (peer.connections, peer.requests) == (1, 2)


class KeepingPeer:
    """A provider that keeps connections, for as many requests as a test says."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if context else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}/sms"
        self.connections = self.requests = self.open_connections = 0
        self.closes_after = 1000
        self.hangs_up = False
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                if self._context:
                    connection = self._context.wrap_socket(connection, server_side=True)
                self.connections += 1
                self.open_connections += 1
                Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        served = 0
        with suppress(OSError), connection:
            while served < self.closes_after and self._read_request(connection):
                served += 1
                if self.hangs_up:
                    break
                connection.sendall(
                    b'HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{"id": "s1"}'
                )
        self.open_connections -= 1

    def _read_request(self, connection: socket.socket) -> bool:
        """Whether a whole one came."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return False
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        [length] = re.findall(rb"(?i)content-length: (\d+)", head)
        while len(body) < int(length):
            body += connection.recv(65536)
        self.requests += 1
        return True
