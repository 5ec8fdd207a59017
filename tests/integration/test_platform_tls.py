"""TLS to the platform: our client certificate, its authority, and renewal while running."""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from fetcher.answers import CallFailed, FetchRetryReason
from fetcher.platform import Platform, TimeOuts
from shared.base.certificates import PemFiles
from tests.source_server import Call, SourceServer, source_server


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Pki:
    """An authority, the platform's certificate, and ours in files."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.files = PemFiles(
            ca=folder / "ca.pem", certificate=folder / "cert.pem", key=folder / "key.pem"
        )
        assert self.files.ca is not None
        self.authority.cert_pem.write_to_path(str(self.files.ca))
        self._age = 0
        self.renew("SE-FETCHER-1")

    def renew(self, name: str) -> None:
        assert self.files.certificate is not None
        assert self.files.key is not None
        ours = self.authority.issue_cert("fetcher.example", common_name=name)
        ours.cert_chain_pems[0].write_to_path(str(self.files.certificate))
        ours.private_key_pem.write_to_path(str(self.files.key))
        self._age += 1
        for path in (self.files.certificate, self.files.key):
            os.utime(path, (self._age, self._age))

    def server_side(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.verify_mode = ssl.CERT_REQUIRED
        self.authority.configure_trust(context)
        self.authority.issue_cert("localhost").configure_cert(context)
        return context


def say_who_called(call: Call) -> None:
    certificate = call.request.connection.getpeercert()  # type: ignore[attr-defined]
    subject = dict(pair for parts in certificate["subject"] for pair in parts)
    call.answer(body=subject["commonName"].encode())


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


@pytest.fixture
def server(pki: Pki) -> Iterator[SourceServer]:
    with source_server(say_who_called, tls=pki.server_side()) as running:
        yield running


def platform(
    server: SourceServer, tls: PemFiles, clock: Clock | None = None, host: str = "localhost"
) -> Platform:
    return Platform(
        server.url.replace("localhost", host),
        time_outs=TimeOuts(2, 2),
        connections=2,
        max_bytes=1000,
        tls=tls,
        monotonic=clock or Clock(),
    )


def test_we_show_our_certificate(server: SourceServer, pki: Pki) -> None:
    assert platform(server, pki.files).post(b"", []).content == b"SE-FETCHER-1"


def test_a_renewed_certificate_is_taken_up_without_a_restart(
    server: SourceServer, pki: Pki
) -> None:
    clock = Clock()
    ours = platform(server, pki.files, clock)
    ours.post(b"", [])
    pki.renew("SE-FETCHER-2")
    assert ours.post(b"", []).content == b"SE-FETCHER-1"
    clock.now += 10
    assert ours.post(b"", []).content == b"SE-FETCHER-2"
    assert server.connections == 2


def test_a_platform_of_another_authority_is_not_called(
    server: SourceServer, pki: Pki, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    tls = PemFiles(ca=stranger, certificate=pki.files.certificate, key=pki.files.key)
    with pytest.raises(CallFailed) as caught:
        platform(server, tls).post(b"", [])
    assert caught.value.reason is FetchRetryReason.UNREACHABLE
    assert server.calls == []


def test_a_platform_by_another_name_is_not_called(server: SourceServer, pki: Pki) -> None:
    with pytest.raises(CallFailed) as caught:
        platform(server, pki.files, host="127.0.0.1").post(b"", [])
    assert caught.value.reason is FetchRetryReason.UNREACHABLE
    assert server.calls == []


def test_without_an_authority_of_its_own_the_machines_are_trusted(
    server: SourceServer, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = PemFiles(certificate=pki.files.certificate, key=pki.files.key)
    with pytest.raises(CallFailed):
        platform(server, tls).post(b"", [])
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.files.ca))
    assert platform(server, tls).post(b"", []).content == b"SE-FETCHER-1"


def test_without_a_certificate_the_platform_refuses_us(server: SourceServer, pki: Pki) -> None:
    with pytest.raises(CallFailed) as caught:
        platform(server, PemFiles(ca=pki.files.ca)).post(b"", [])
    assert caught.value.reason is FetchRetryReason.UNREACHABLE


def test_a_renewal_that_is_half_written_waits_for_its_other_half(
    server: SourceServer, pki: Pki
) -> None:
    assert pki.files.key is not None
    clock = Clock()
    ours = platform(server, pki.files, clock)
    ours.post(b"", [])
    pki.renew("SE-FETCHER-2")
    whole = pki.files.key.read_bytes()
    pki.files.key.write_bytes(b"")
    clock.now += 10
    assert ours.post(b"", []).content == b"SE-FETCHER-1"
    pki.files.key.unlink()
    clock.now += 10
    assert ours.post(b"", []).content == b"SE-FETCHER-1"
    pki.files.key.write_bytes(whole)
    clock.now += 10
    assert ours.post(b"", []).content == b"SE-FETCHER-2"


def test_files_that_cannot_be_used_stop_the_start(server: SourceServer, pki: Pki) -> None:
    assert pki.files.certificate is not None
    pki.files.certificate.unlink()
    with pytest.raises(OSError, match="No such file"):
        platform(server, pki.files)
