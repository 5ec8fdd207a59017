"""Person numbers on the command line. No output or error repeats them."""

from datetime import date
from typing import Annotated

import typer

from shared.base.ids import is_person_number

#: Day of birth plus this in a coordination number (samordningsnummer).
_COORDINATION = 60


def is_genuine(person: str, today: date) -> bool:
    """Whether 12 digits are a date of birth and carry the right check digit (Luhn's).

    Also for a coordination number, whose day is 60 higher. False for reserve numbers with letters.
    """
    if not person.isdecimal():
        return False
    return _is_birth_date(person[:8], today) and _luhn_sum(person[2:]) % 10 == 0


def _is_birth_date(digits: str, today: date) -> bool:
    day = int(digits[6:])
    try:
        born = date(int(digits[:4]), int(digits[4:6]), day % _COORDINATION)
    except ValueError:
        return False
    return born <= today


def _luhn_sum(digits: str) -> int:
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(digits))
    return sum(number // 10 + number % 10 for number in doubled)


def person_number(text: str) -> str:
    """A person number of 12 characters, with or without a dash. Errors do not repeat it."""
    compact = text.strip().replace("-", "")
    if not is_person_number(compact):
        raise typer.BadParameter("not a person number of 12 characters")
    return compact


Person = Annotated[
    str,
    typer.Argument(
        metavar="PERSON", parser=person_number, help="The patient's number, 12 characters."
    ),
]
