"""Who does something, as the command line is told or the machine knows."""

import getpass
from collections.abc import Callable
from typing import Annotated

import typer


def text_of(longest: int) -> Callable[[str], str]:
    def take(text: str) -> str:
        kept = text.strip()
        if not 1 <= len(kept) <= longest:
            raise typer.BadParameter(f"must have 1 to {longest} characters")
        if not kept.isprintable():
            raise typer.BadParameter("must not hold invisible characters")
        return kept

    return take


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        raise typer.BadParameter("say who does this with --by") from None


def looker() -> str:
    """Who looks; "" where the user has no name, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


By = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        parser=text_of(100),
        default_factory=_operator,
        show_default="you",
        help="Who does this.",
    ),
]
