"""Numbers and addresses: into the kept form, or refused without being repeated."""

import pytest

from shared.booking.contact_points import mask, normalize, normalize_email, normalize_mobile
from shared.booking.notices import Channel


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("070-174 06 05", "+46701740605"),
        ("0701740605", "+46701740605"),
        ("+46 (0)70 174 06 05", "+46701740605"),
        ("0046701740605", "+46701740605"),
        (" 076-123 45 67 ", "+46761234567"),
        ("+4791234567", "+4791234567"),
        ("+12015550123", "+12015550123"),  # North America does not tell mobiles apart
    ],
)
def test_mobiles_are_kept_as_e164(text: str, kept: str) -> None:
    assert normalize_mobile(text) == kept
    assert normalize(Channel.SMS, kept) == kept


@pytest.mark.parametrize(
    "text",
    [
        "08-465 004 00",  # Stockholm
        "010-123 45 67",
        "074-123 45 67",  # pagers
        "020-123 456",
        "031-390 06 00",
        "112",
        "070",
        "070-174 06 05 ext. 3",
        "",
        "tolvan",
        "191212121212",
        "121212-1212",
    ],
)
def test_what_takes_no_sms_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="number") as refusal:
        normalize_mobile(text)
    assert not text or text not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Tolvan.Tolvansson@Example.ORG", "Tolvan.Tolvansson@example.org"),
        (" a+b@x.se ", "a+b@x.se"),
        ("a@åäö.se", "a@xn--4cab6c.se"),
    ],
)
def test_addresses_keep_their_local_part_as_given(text: str, kept: str) -> None:
    assert normalize_email(text) == kept
    assert normalize(Channel.EMAIL, kept) == kept


@pytest.mark.parametrize(
    "text",
    [
        "191212121212",
        "a@",
        "@x.se",
        "a@x",
        "a@.se",
        "a@x..se",
        "a@-x.se",
        "a@127.0.0.1",
        "a..b@x.se",
        ".a@x.se",
        "a b@x.se",
        '"a b"@x.se',
        "a@x.se\nBcc: b@x.se",
        "a\r\nBcc: b@x.se",
        "a@x.se, b@x.se",
        "<a@x.se>",
        "å@x.se",
        f"{'a' * 65}@x.se",
        f"a@{'b' * 64}.se",
        f"a@{'b.' * 130}se",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"@|e-mail") as refusal:
        normalize_email(text)
    assert text not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Invalid to number +46701740605!", "Invalid to number [number]!"),
        ("070-174 06 05", "[number]"),
        ("<tolvan@example.org>: unknown", "<[address]>: unknown"),
        ("HTTP 403 after 30 s", "HTTP 403 after 30 s"),
    ],
)
def test_mask_hides_where_a_notice_went(text: str, masked: str) -> None:
    assert mask(text) == masked
