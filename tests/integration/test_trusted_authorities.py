"""Which authorities libcurl trusts where nobody names any: those of the machine.

One folder of hashed names is enough where it holds all that are in the machine's bundle. Then a
connection holds one authority in memory and not all of them.
"""

import ssl
import subprocess
from pathlib import Path

import pycurl
import pytest
import trustme

from fetcher.answers import CallFailed
from fetcher.platform import Platform, TimeOuts
from shared.base.curl import trust_options
from tests.source_server import Call, source_server


class Machine:
    """Its bundle and its folder of authorities, both empty at first."""

    def __init__(self, folder: Path) -> None:
        self.bundle, self.folder = folder / "bundle.pem", folder / "hashed"
        self.bundle.touch()
        self.folder.mkdir()

    def trust(self, authority: trustme.CA, *, hashed: bool) -> None:
        authority.cert_pem.write_to_path(str(self.bundle), append=True)
        if hashed:
            name = self.folder / "authority.pem"
            authority.cert_pem.write_to_path(str(name))
            name.rename(self.folder / f"{subject_hash(name)}.0")


def subject_hash(certificate: Path) -> str:
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(certificate)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(machine.bundle))
    monkeypatch.setenv("SSL_CERT_DIR", str(machine.folder))
    return machine


def both(machine: Machine) -> dict[int, str]:
    return {pycurl.CAINFO: str(machine.bundle), pycurl.CAPATH: str(machine.folder)}


def test_the_folder_is_enough_where_it_holds_all(machine: Machine) -> None:
    machine.trust(trustme.CA(), hashed=True)
    assert trust_options() == {pycurl.CAINFO: None, pycurl.CAPATH: str(machine.folder)}


def test_an_authority_that_stands_in_the_bundle_alone_is_trusted_too(machine: Machine) -> None:
    machine.trust(trustme.CA(), hashed=True)
    machine.trust(trustme.CA(), hashed=False)
    assert trust_options() == both(machine)


def test_a_folder_that_cannot_be_read_is_not_relied_upon(machine: Machine) -> None:
    machine.trust(trustme.CA(), hashed=True)
    (machine.folder / "0a1b2c3d.0").symlink_to(machine.folder / "gone.pem")
    assert trust_options() == both(machine)


@pytest.mark.parametrize("hashed", [True, False])
def test_a_server_of_the_machines_authorities_is_believed(machine: Machine, hashed: bool) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    machine.trust(authority, hashed=hashed)
    assert ask_server_of(authority) == b"yes"
    with pytest.raises(CallFailed):
        ask_server_of(stranger)


def ask_server_of(authority: trustme.CA) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with source_server(say_yes, tls=context) as server:
        platform = Platform(server.url, time_outs=TimeOuts(5, 5), connections=1, max_bytes=1000)
        return platform.post(b"question", []).content


def say_yes(call: Call) -> None:
    call.answer(body=b"yes")
