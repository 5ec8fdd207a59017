"""Masks person numbers and passwords in texts, for all logs."""

import re
from typing import Any

from shared.base.ids import PERSON_NUMBER_PATTERN

MASK = "[person]"
SECRET = "[secret]"  # noqa: S105 - what stands in a password's place

# Twelve characters as the contracts write them, with or without the dash people use, and the
# short form with its dash. An HSA-id's organisation number (SE + 12 digits) is no person.
# Every hundredth UUID would hold one by chance, and then its request could not be followed.
_UUID = r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b"
_PERSON = re.compile(
    rf"(?P<uuid>{_UUID})|"
    r"(?<![0-9])(?<!SE)(?<!se)"
    rf"(?:{PERSON_NUMBER_PATTERN}|[0-9]{{8}}[-+][0-9A-Z]{{4}}|[0-9]{{6}}[-+][0-9]{{4}})"
    r"(?![0-9A-Za-z])"
)

#: Every person number that `redact` could find, and little else: not the HSA-ids of every line
#: (SE2321000016-A001). It begins with a plain set of characters, to which `re` skips, so it takes a
#: third of the time.
_LIKE_A_PERSON = re.compile(
    r"[0-9](?:(?<![0-9]{2})|(?<=\\u[0-9a-f]{4}[0-9]))[0-9]{5}"
    r"(?:[0-9]{2}[-+]?[0-9A-Zptf]{4}|[-+][0-9]{4})(?![0-9A-Za-z])"
)


def _kind(byte: int) -> int:
    """A letter that stands for all characters that are alike to `_LIKE_A_PERSON`."""
    text = chr(byte)
    if re.match("[0-9]", text):
        return ord("0")
    if re.match("[A-Zptf]", text):
        return ord("A")
    return ord("-") if text in "-+" else byte if text in ":/" else ord(" ")


_KINDS = bytes(map(_kind, range(256)))
#: An HSA-id's organisation number. None of its digits can be a person number's: ten of them, and
#: no other digit before them, since an escaped control character does not end with two of "A".
_HSA_ID = b"AA0000000000-"

_PASSWORD_IN_URL = re.compile(r"(://[^\s/:@]*:)(?:[^\s/@]*@)+")


def may_hold_secrets(text: str) -> bool:
    """Whether `text` may hold something to mask. False for most texts and then for all parts.

    It may be JSON: escaping puts neither digits nor letters after a number, and before it only
    those of a control character (\\u0001).
    """
    return "://" in text or _LIKE_A_PERSON.search(text) is not None


def holds_no_secrets(line: bytes) -> bool:
    """True only if `may_hold_secrets` is false of this line of JSON (UTF-8).

    Looking for plain bytes takes a third of the time.
    """
    kinds = line.translate(_KINDS).replace(_HSA_ID, b" ")
    return not (b"00000000" in kinds or b"000000-0000" in kinds or b"://" in kinds)


def redact(text: str) -> str:
    """`text` with what looks like a person number, and passwords within URLs, masked."""
    if not may_hold_secrets(text):
        return text
    text = _PASSWORD_IN_URL.sub(rf"\1{SECRET}@", text)
    return _PERSON.sub(_kept_if_uuid, text)


def _kept_if_uuid(match: re.Match[str]) -> str:
    return match["uuid"] or MASK


def redact_value(value: Any) -> Any:
    """`value` with every text inside it redacted, through mappings and sequences."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {redact_value(key): redact_value(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [redact_value(inner) for inner in value]
        case None | bool() | float():
            return value
        case int():
            return redact_value(str(value)) if redact(str(value)) == MASK else value
        case _:
            return redact(str(value))
