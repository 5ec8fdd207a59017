"""Who counts as the caller, and who may call."""

from collections.abc import Callable

import pytest

from ingest.callers import CallerPolicy, Peer
from ingest.tls import subject_serial_number

HEADER = "x-client-hsaid"
PROXY = Peer("10.0.0.9", "SE-PROXY")
BEHIND_PROXY = CallerPolicy(allowed=["SE-EI"], proxies=["10.0.0.9"], header=HEADER)


def headers(*values: str) -> Callable[[bytes], list[str]]:
    return {HEADER.encode(): [*values]}.__getitem__


def test_the_certificate_names_the_caller() -> None:
    assert CallerPolicy().caller_of(Peer("10.0.0.1", "SE-EI"), headers()) == "SE-EI"


@pytest.mark.parametrize(
    ("sent", "caller"),
    [(["SE-EI"], "SE-EI"), ([" SE-EI "], "SE-EI"), ([], ""), (["SE-EI", "SE-EI"], "")],
)
def test_a_trusted_proxy_names_the_caller_once(sent: list[str], caller: str) -> None:
    assert BEHIND_PROXY.caller_of(PROXY, headers(*sent)) == caller


def test_nobody_else_can_name_a_caller() -> None:
    stranger = Peer("10.0.0.1", "SE-STRANGER")
    assert BEHIND_PROXY.caller_of(stranger, headers("SE-EI")) == "SE-STRANGER"


def test_without_a_list_everybody_may_call() -> None:
    assert CallerPolicy().admits("")


@pytest.mark.parametrize(
    ("caller", "admitted"), [("SE-EI", True), ("se-ei", True), ("SE-X", False), ("", False)]
)
def test_a_list_is_compared_without_regard_to_case(caller: str, admitted: bool) -> None:
    assert BEHIND_PROXY.admits(caller) is admitted


def test_the_hsa_id_is_the_subjects_serial_number() -> None:
    subject = ((("commonName", "x"),), (("serialNumber", "SE-EI"), ("countryName", "SE")))
    assert subject_serial_number({"subject": subject, "serialNumber": "0A"}) == "SE-EI"
    assert subject_serial_number({"subject": (), "serialNumber": "0A"}) == ""
    assert subject_serial_number(None) == ""
