"""New ids, and the pattern of a person number, which no log may hold."""

import re
import secrets
import string

#: The newer national text: eight digits, and four of digits, capitals or p, t, f (reserve
#: numbers). The older pattern of the official XSDs is a part of it.
PERSON_NUMBER_PATTERN = r"[0-9]{8}[0-9A-Zptf]{4}"


_ID_LENGTH = 20


_IDS = len(string.ascii_lowercase) ** _ID_LENGTH


def new_id() -> str:
    """A random id of 20 lower-case letters (94 bits).

    Letters only, so that no id of ours is ever mistaken for a person number by the redaction of
    logs, and so that it can be read out over the telephone.
    """
    number = secrets.randbelow(_IDS)  # one call for random bits, not one for each letter
    letters = []
    for _ in range(_ID_LENGTH):
        number, letter = divmod(number, len(string.ascii_lowercase))
        letters.append(string.ascii_lowercase[letter])
    return "".join(letters)


def spell(number: int) -> str:
    """`number` in letters: a, b, … z, ba, bb, …

    Ids of ours hold no digits, so that no redaction ever takes one for a person number.
    """
    rest, last = divmod(number, 26)
    letter = chr(ord("a") + last)
    return spell(rest) + letter if rest else letter


def is_person_number(text: str) -> bool:
    return re.fullmatch(PERSON_NUMBER_PATTERN, text) is not None
