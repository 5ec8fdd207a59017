"""New ids, and the pattern of a person number, which no log may hold."""

import os
import re
import string

#: The newer national text: eight digits, and four of digits, capitals or p, t, f (reserve
#: numbers). The older pattern of the official XSDs is a part of it.
PERSON_NUMBER_PATTERN = r"[0-9]{8}[0-9A-Zptf]{4}"


_ID_LENGTH = 20

#: A letter for each value of a byte. Some letters stand for ten values and some for nine, which
#: costs a hundredth of a bit.
_LETTERS = (string.ascii_lowercase.encode() * 10)[:256]


def new_id() -> str:
    """A random id of 20 lower-case letters (94 bits).

    Letters only, so that no id of ours is ever mistaken for a person number by the redaction of
    logs, and so that it can be read out over the telephone.
    """
    return os.urandom(_ID_LENGTH).translate(_LETTERS).decode()


def spell(number: int) -> str:
    """`number` in letters: a, b, … z, ba, bb, …

    Ids of ours hold no digits, so that no redaction ever takes one for a person number.
    """
    rest, last = divmod(number, 26)
    letter = chr(ord("a") + last)
    return spell(rest) + letter if rest else letter


def is_person_number(text: str) -> bool:
    return re.fullmatch(PERSON_NUMBER_PATTERN, text) is not None
