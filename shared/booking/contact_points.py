"""Normalises telephone numbers and e-mail addresses, or refuses them with a reason.

Errors never repeat the value: people type into the wrong field, so it may be a person number.
"""

import re
from collections.abc import Callable

from shared.booking.notices import Channel

_REGION = "SE"

# Dot-separated words of the characters RFC 5322 calls atext. Quoted local parts are legal but
# not used; refusing them keeps spaces and line ends out of headers.
_WORD = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"{_WORD}(?:\.{_WORD})*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?!\d+$){_LABEL}")
_LOCAL_PART_LENGTH = 64
_ADDRESS_LENGTH = 254

_ADDRESS_IN_TEXT = re.compile(r"[^\s<>@:;,]+@[^\s<>@:;,]+")
_NUMBER_IN_TEXT = re.compile(r"\+?\d(?:[\s-]?\d){6,}")


def normalize_mobile(text: str) -> str:
    """A mobile number, parsed as in Sweden, as E.164 (`+46701740605`).

    Raises ValueError for what is not a number, or cannot receive an SMS: 08-, 010- and 074-numbers
    are not mobiles (docs/domain.md, "The notice").
    """
    import phonenumbers  # here, since the notifier, which only reads numbers, does without it

    try:
        number = phonenumbers.parse(text, _REGION)
    except phonenumbers.NumberParseException:
        raise ValueError("not a telephone number") from None
    if not phonenumbers.is_valid_number(number):
        raise ValueError("not a valid telephone number")
    if number.extension:
        raise ValueError("a number with an extension takes no SMS")
    kinds = phonenumbers.PhoneNumberType
    # The plans of some countries do not distinguish mobiles from fixed lines.
    if phonenumbers.number_type(number) not in (kinds.MOBILE, kinds.FIXED_LINE_OR_MOBILE):
        raise ValueError("not a mobile number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def normalize_email(text: str) -> str:
    """An e-mail address in ASCII, its domain in lower case and, where needed, in IDNA form.

    Raises ValueError for what no mail server accepts, or what needs SMTPUTF8.
    """
    local_part, at, domain = text.strip().rpartition("@")
    if not at:
        raise ValueError("an e-mail address has an @")
    if len(local_part) > _LOCAL_PART_LENGTH or not _LOCAL_PART.fullmatch(local_part):
        raise ValueError("the part before @ is not that of an e-mail address")
    address = f"{local_part}@{_ascii_domain(domain)}"
    if len(address) > _ADDRESS_LENGTH:
        raise ValueError("the e-mail address is too long")
    return address


def _ascii_domain(domain: str) -> str:
    try:
        ascii_domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        ascii_domain = ""
    if not _DOMAIN.fullmatch(ascii_domain):
        raise ValueError("the part after @ is not a domain")
    return ascii_domain


_NORMALIZERS: dict[Channel, Callable[[str], str]] = {
    Channel.SMS: normalize_mobile,
    Channel.EMAIL: normalize_email,
}


def normalize(channel: Channel, address: str) -> str:
    """`address` in the form kept for `channel`. Raises ValueError."""
    return _NORMALIZERS[channel](address)


def mask(text: str) -> str:
    """`text`, such as a provider's reply, without telephone numbers and e-mail addresses."""
    return _NUMBER_IN_TEXT.sub("[number]", _ADDRESS_IN_TEXT.sub("[address]", text))
