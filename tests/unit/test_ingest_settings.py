"""Settings that contradict each other stop the gateway at its start."""

from pathlib import Path

import pytest

from ingest.settings import IngestSettings
from shared.base.certificates import PemFiles
from shared.base.errors import WrongSettings

FILES = {
    "ingest_tls_certificate": Path("own.pem"),
    "ingest_tls_key": Path("own.key"),
    "ingest_tls_client_ca": Path("ca.pem"),
}


@pytest.mark.parametrize("wait", [51, 600])
def test_an_answer_comes_before_the_index_gives_up(wait: int) -> None:
    with pytest.raises(WrongSettings, match="together at most 55"):
        IngestSettings(ingest_broker_wait_seconds=wait, ingest_publish_seconds=5)


def test_plain_http_is_the_default() -> None:
    assert IngestSettings().tls is None


def test_tls_is_made_of_three_files() -> None:
    assert IngestSettings(**FILES).tls == PemFiles(
        certificate=Path("own.pem"), key=Path("own.key"), ca=Path("ca.pem")
    )


@pytest.mark.parametrize("missing", FILES)
def test_two_of_them_are_not_enough(missing: str) -> None:
    with pytest.raises(WrongSettings, match="TLS needs all three"):
        IngestSettings(**{**FILES, missing: None})


def test_a_caller_header_needs_its_proxies_and_the_other_way_round() -> None:
    with pytest.raises(WrongSettings, match="go together"):
        IngestSettings(ingest_caller_header="x-client")
    with pytest.raises(WrongSettings, match="go together"):
        IngestSettings(ingest_proxies="10.0.0.9")


def test_a_list_of_callers_needs_a_way_to_know_them() -> None:
    with pytest.raises(WrongSettings, match="to know who calls"):
        IngestSettings(ingest_callers="SE-EI")
    both = IngestSettings(
        ingest_callers="SE-EI, SE-X", ingest_proxies="10.0.0.9", ingest_caller_header="x-client"
    )
    assert both.ingest_callers == ("SE-EI", "SE-X")
