"""Bounces as mail servers write them, made up after real ones, and what is read of them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.delivery_status import (
    LARGEST,
    Action,
    DeliveryStatus,
    Unreadable,
    read_delivery_status,
)
from tests.mutations import spoil

BOUNCES = Path(__file__).parent / "bounces"
NOTICE = "abcdefghijklmnopqrst"

#: What was read: what became of it, its code, and whether the address failed for good.
READABLE = {
    "postfix_unknown_user": (Action.FAILED, "5.1.1", True),
    "postfix_headers_only": (Action.FAILED, "5.0.0", True),
    "postfix_envelope_id_alone": (Action.FAILED, "5.1.2", True),
    "postfix_expired": (Action.FAILED, "4.4.1", False),
    "postfix_delayed": (Action.DELAYED, "4.4.1", False),
    "postfix_delivered": (Action.DELIVERED, "2.0.0", False),
    "postfix_mailbox_full": (Action.FAILED, "5.2.2", False),
    "postfix_utf8": (Action.FAILED, "5.1.1", True),
    "pipe_from_line": (Action.FAILED, "5.1.1", True),
    "exim_unknown_user": (Action.FAILED, "5.0.0", True),
    "exim_precise_diagnosis": (Action.FAILED, "5.7.1", False),
    "exchange_not_found": (Action.FAILED, "5.1.10", True),
    "exchange_access_denied": (Action.FAILED, "5.4.1", True),
    "gmail_not_found": (Action.FAILED, "5.1.1", True),
}
UNREADABLE = {
    "broken_no_status_part": "no part message/delivery-status",
    "broken_cut_short": "of no recipient",
    "broken_odd_action": "none of RFC 3464",
    "broken_names_no_mail": "does not name the mail",
    "broken_empty": "no part message/delivery-status",
}


def the_mail(name: str) -> bytes:
    return (BOUNCES / f"{name}.eml").read_bytes()


def test_the_corpus_is_whole() -> None:
    assert {path.stem for path in BOUNCES.glob("*.eml")} == READABLE.keys() | UNREADABLE.keys()


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"], ids=["crlf", "lf"])
@pytest.mark.parametrize("name", READABLE)
def test_read(name: str, line_end: bytes) -> None:
    """Postfix hands mail to a program with bare line feeds."""
    status = read_delivery_status(the_mail(name).replace(b"\r\n", line_end))
    action, code, permanent = READABLE[name]
    assert status.notice_ids[0] == NOTICE
    assert (status.action, status.code) == (action, code)
    assert status.is_about_the_address is permanent
    assert "tolvan" not in str(status)


@pytest.mark.parametrize("name", UNREADABLE)
def test_not_read_and_why(name: str) -> None:
    with pytest.raises(Unreadable, match=UNREADABLE[name]):
        read_delivery_status(the_mail(name))


def test_the_gravest_of_several_recipients_counts() -> None:
    delivered = (
        b"Final-Recipient: rfc822; a@example.net\r\nAction: delivered\r\nStatus: 2.0.0\r\n\r\n"
    )
    mail = the_mail("postfix_unknown_user").replace(
        b"Final-Recipient", delivered + b"Final-Recipient", 1
    )
    assert read_delivery_status(mail).action is Action.FAILED


@pytest.mark.parametrize(
    ("code", "permanent"),
    [
        ("5.1.1", True), ("5.1.10", True), ("5.2.1", True), ("5.0.0", True), ("5.1.8", False),
        ("5.2.2", False), ("5.3.4", False), ("5.7.26", False), ("4.1.1", False), ("", False),
    ],
)  # fmt: skip
def test_which_codes_are_about_the_address(code: str, permanent: bool) -> None:
    status = DeliveryStatus((NOTICE,), Action.FAILED, code)
    assert status.is_about_the_address is permanent


@pytest.mark.parametrize(
    "mail", [b"x" * (LARGEST + 1), b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" * 5000]
)
def test_what_is_too_large_or_too_deep_is_refused(mail: bytes) -> None:
    with pytest.raises(Unreadable):
        read_delivery_status(mail)


PIECES = [
    b"Action: ",
    b"Status: 5",
    b"--=_b1",
    b"\r\n\r\n",
    b"message/rfc822",
    b"\xff",
    b"=?utf-8?q?",
]


@pytest.mark.slow
@settings(max_examples=300, deadline=2000)
@given(st.sampled_from(sorted(READABLE)), st.integers(0, 2**32), st.integers(1, 5))
def test_a_spoilt_one_is_read_or_refused(name: str, seed: int, times: int) -> None:
    try:
        status = read_delivery_status(spoil(the_mail(name), PIECES, seed, times))
    except Unreadable:
        return
    assert status.notice_ids
