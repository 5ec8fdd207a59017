"""TLS at the gateway: who gets in, and certificates that change under open connections."""

import asyncio
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import trustme
import zeep
from zeep.transports import Transport

from ingest.settings import IngestSettings
from ingest.tls import LiveTls
from tests.certificates import write_client_files, write_server_files
from tests.gateway import Gateway, running_gateway
from tests.notifications import HEADERS, request
from tests.polling import eventually

INDEX = "SE5565594230-EI"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def settings(authority: trustme.CA, tmp_path: Path) -> dict[str, object]:
    certificate, key = write_server_files(authority, tmp_path)
    client_ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(client_ca)
    return {
        "ingest_tls_certificate": certificate,
        "ingest_tls_key": key,
        "ingest_tls_client_ca": client_ca,
        "ingest_callers": INDEX.lower(),
    }


@pytest.fixture
def gateway(settings: dict[str, object]) -> Iterator[Gateway]:
    with running_gateway(**settings) as running:
        yield running


@pytest.fixture
def index(authority: trustme.CA, tmp_path: Path) -> Iterator[requests.Session]:
    with session_of(authority, INDEX, tmp_path) as session:
        yield session


def session_of(authority: trustme.CA, hsa_id: str, folder: Path) -> requests.Session:
    """A client with a certificate of `hsa_id` that trusts `authority`, and it alone."""
    trusted = folder / "trusted.pem"
    authority.cert_pem.write_to_path(trusted)
    session = requests.Session()
    session.trust_env = False
    session.cert = write_client_files(authority, hsa_id, folder)
    session.verify = str(trusted)
    session.headers.update(HEADERS)
    return session


def post(session: requests.Session, gateway: Gateway) -> requests.Response:
    return session.post(f"{gateway.url}/ProcessNotification", request(), timeout=20)


def test_the_index_is_let_in_by_its_certificate(gateway: Gateway, index: requests.Session) -> None:
    assert gateway.url.startswith("https://")
    assert post(index, gateway).status_code == 200
    assert len(gateway.broker.published) == 1


def test_who_connects_and_begins_no_handshake_is_left(settings: dict[str, object]) -> None:
    with running_gateway(**settings, ingest_read_seconds=0.5) as gateway:
        address = urlsplit(gateway.url)
        with socket.create_connection((address.hostname, address.port), timeout=20) as mute:
            started = time.monotonic()
            assert mute.recv(1) == b""
            assert 0.4 < time.monotonic() - started < 10


def test_a_stranger_with_a_good_certificate_is_refused(
    gateway: Gateway, authority: trustme.CA, tmp_path: Path
) -> None:
    with session_of(authority, "SE-STRANGER", tmp_path) as stranger:
        reply = post(stranger, gateway)
    assert (reply.status_code, b"soap:Client" in reply.content) == (403, True)
    assert gateway.broker.published == []


def test_nobody_gets_in_without_a_certificate(gateway: Gateway, index: requests.Session) -> None:
    index.cert = None
    with pytest.raises(requests.ConnectionError):
        post(index, gateway)


def test_nobody_gets_in_with_a_certificate_of_another_issuer(
    gateway: Gateway, index: requests.Session, tmp_path: Path
) -> None:
    forged = tmp_path / "forged"
    forged.mkdir()
    index.cert = write_client_files(trustme.CA(), INDEX, forged)
    with pytest.raises(requests.ConnectionError):
        post(index, gateway)


def test_plain_http_gets_nothing(gateway: Gateway) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.get(gateway.url.replace("https", "http") + "/healthz", timeout=9)


def test_the_served_contract_leads_back_to_https(gateway: Gateway, index: requests.Session) -> None:
    client = zeep.Client(
        f"{gateway.url}/PingForConfiguration?wsdl", transport=Transport(session=index)
    )
    answer = client.service.PingForConfiguration(
        serviceContractNamespace="x",
        logicalAddress="y",
        _soapheaders={"LogicalAddress": "z"},
    )
    assert len(answer.pingDateTime) == 14


def served_certificate(gateway: Gateway) -> str:
    """What a new connection is shown."""
    host, port = gateway.url.removeprefix("https://").split(":")
    return ssl.get_server_certificate((host, int(port)))


def test_a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on(
    settings: dict[str, object], authority: trustme.CA, index: requests.Session, tmp_path: Path
) -> None:
    with running_gateway(**settings) as gateway:
        assert post(index, gateway).status_code == 200
        before = served_certificate(gateway)
        write_server_files(authority, tmp_path)
        assert gateway.tls is not None
        gateway.tls.reload_if_changed()
        assert post(index, gateway).status_code == 200  # on the old connection
        assert served_certificate(gateway) != before
        assert len(gateway.broker.published) == 2


def test_a_new_issuer_is_trusted_without_a_restart(
    settings: dict[str, object], authority: trustme.CA, index: requests.Session, tmp_path: Path
) -> None:
    newer = trustme.CA()
    folder = tmp_path / "newer"
    folder.mkdir()
    index.cert = write_client_files(newer, INDEX, folder)
    with running_gateway(**settings) as gateway:
        with pytest.raises(requests.ConnectionError):
            post(index, gateway)
        newer.cert_pem.write_to_path(tmp_path / "ca.pem", append=True)
        assert gateway.tls is not None
        gateway.tls.reload_if_changed()
        assert post(index, gateway).status_code == 200


@pytest.mark.parametrize("spoil", ["replace the key alone", "remove it", "cut it"])
def test_files_that_do_not_fit_change_nothing_until_they_do(
    settings: dict[str, object],
    authority: trustme.CA,
    index: requests.Session,
    tmp_path: Path,
    spoil: str,
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    certificate, key = write_server_files(authority, other)
    with running_gateway(**settings) as gateway:
        before = served_certificate(gateway)
        match spoil:
            case "replace the key alone":
                shutil.copy(key, tmp_path / "server.key")
            case "remove it":
                (tmp_path / "server.key").unlink()
            case "cut it":
                (tmp_path / "server.key").write_bytes(key.read_bytes()[:50])
        assert gateway.tls is not None
        gateway.tls.reload_if_changed()
        assert served_certificate(gateway) == before
        assert post(index, gateway).status_code == 200
        shutil.copy(key, tmp_path / "server.key")
        shutil.copy(certificate, tmp_path / "server.pem")
        gateway.tls.reload_if_changed()
        assert served_certificate(gateway) == certificate_in(certificate)


def certificate_in(path: Path) -> str:
    """The first of a chain: the server's own."""
    end = "-----END CERTIFICATE-----\n"
    return path.read_text().partition(end)[0] + end


def test_the_files_are_watched(settings: dict[str, object], tmp_path: Path) -> None:
    files = IngestSettings(**settings).tls
    assert files is not None
    live = LiveTls(files)

    async def watched() -> None:
        async with live.kept_fresh(0.01):
            trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem", append=True)
            await asyncio.to_thread(eventually, lambda: len(live.context.get_ca_certs()) == 2)

    asyncio.run(watched())


def test_an_idle_connection_does_not_hold_up_the_drain(
    settings: dict[str, object], index: requests.Session
) -> None:
    with running_gateway(**settings) as gateway:
        post(index, gateway)
        started = time.monotonic()
    assert time.monotonic() - started < 5
