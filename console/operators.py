"""Who does something, as the command line is told or the machine knows."""

import getpass
import os
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
    """Who looks; the user's number where it has no name, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


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
Looker = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="NAME",
        parser=text_of(100),
        default_factory=looker,
        show_default="you",
        help="Who does this.",
    ),
]
Note = Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept in the log of actions.")]
