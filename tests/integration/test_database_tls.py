"""PostgreSQL over TLS, by nothing but the URL: the server is verified, and asks who we are."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from shared.store.engine import Database, DatabaseUnavailable, open_database
from shared.store.migrate import is_current, migrate
from tests.proxy import Proxy
from tests.services import PostgreSQL

_ASKS_FOR_TLS = (80877103).to_bytes(4, "big")


class TlsDatabase(Proxy):
    """Ends TLS before PostgreSQL, in whose protocol the client asks for it first."""

    def _connect(self, client: socket.socket) -> None:
        while client.recv(8)[4:] != _ASKS_FOR_TLS:
            client.sendall(b"N")  # Kerberos: not here
        client.sendall(b"S")
        super()._connect(client)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def url(
    postgres: PostgreSQL, postgres_url: str, authority: trustme.CA, tmp_path: Path
) -> Iterator[str]:
    """Of a server that lets in who has a certificate of `authority`; ours lie in `tmp_path`."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    mine = authority.issue_cert("relay")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "me.pem")
    mine.private_key_pem.write_to_path(tmp_path / "me.key")
    (tmp_path / "me.key").chmod(0o600)  # libpq insists
    asking = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    asking.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(asking)
    authority.issue_cert("127.0.0.1").configure_cert(asking)
    with TlsDatabase(postgres.port, tls=asking) as server:
        yield postgres_url.replace(f":{postgres.port}/", f":{server.port}/")


def answers(url: str) -> bool:
    database: Database = open_database(url)
    try:
        with database.begin():
            return True
    except DatabaseUnavailable:
        return False
    finally:
        database.close()


def test_with_our_certificate(url: str, tmp_path: Path) -> None:
    trusted = f"{url}?sslmode=verify-full&sslrootcert={tmp_path}/ca.pem"
    known = f"{trusted}&sslcert={tmp_path}/me.pem&sslkey={tmp_path}/me.key"
    migrate(known)
    assert is_current(known)


def test_without_it_nobody_gets_in(url: str, tmp_path: Path) -> None:
    assert not answers(f"{url}?sslmode=verify-full&sslrootcert={tmp_path}/ca.pem")


def test_a_server_of_another_authority_is_not_believed(url: str, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    ours = f"sslcert={tmp_path}/me.pem&sslkey={tmp_path}/me.key"
    assert not answers(f"{url}?sslmode=verify-full&sslrootcert={tmp_path}/other.pem&{ours}")
