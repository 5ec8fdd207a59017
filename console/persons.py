"""A person number on the command line: an operator's need, and never repeated by us."""

from typing import Annotated

import typer

from shared.base.ids import is_person_number


def person_number(text: str) -> str:
    """12 characters, with or without the dash people write. Errors do not say what was given."""
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
