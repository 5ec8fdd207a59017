"""Exit codes, and the conversion of expected errors to one line on standard error."""

import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import typer

from console.lazy import LazyGroup
from shared.base.errors import CannotStart, Unavailable, WrongSettings
from shared.base.redaction import redact


class ExitCode(IntEnum):
    """Exit codes for scripts, as in `budkavle --help`."""

    DONE = 0
    NOTHING_FOUND = 1
    USAGE = 2
    UNAVAILABLE = 3
    TROUBLE = 4  # `status` and `check` found something wrong; a replay stopped by itself
    INTERRUPTED = 130


class Refused(Exception):
    """The command cannot do what was asked. Its text is the line the operator reads."""

    def __init__(self, text: str, code: ExitCode) -> None:
        super().__init__(text)
        self.code = code


def nothing_found(text: str) -> Refused:
    return Refused(text, ExitCode.NOTHING_FOUND)


class OperatorCommands(LazyGroup):
    """The command's root: every subcommand runs inside its `invoke`."""

    def invoke(self, ctx: Any) -> Any:
        with _persons_hidden():
            try:
                return super().invoke(ctx)
            except Refused as error:
                _end(str(error), error.code)
            except Exception as error:
                if explanation := explained(error):
                    _end(*explanation)
                raise


def explained(error: Exception) -> tuple[str, ExitCode] | None:
    """The line and exit code of an expected error; None for a bug, or an error of typer's."""
    match error:
        case WrongSettings():
            return f"settings: {error}", ExitCode.USAGE
        case CannotStart():
            return str(error), ExitCode.UNAVAILABLE
        case Unavailable(reason="database_unavailable"):
            return f"the database is unavailable ({error.detail})", ExitCode.UNAVAILABLE
    text = _trouble_of_the_broker(error)
    return (text, ExitCode.UNAVAILABLE) if text else None


def _trouble_of_the_broker(error: Exception) -> str:
    """ "" when it is no trouble of the broker's."""
    from shared.relay.broker import (  # pydantic too: a third of the start
        BrokerError,
        DeadQueueBusy,
        NotDeclared,
    )

    match error:
        case NotDeclared():
            return "the broker lacks queues of this version; run `budkavle setup`"
        case DeadQueueBusy():
            return str(error)
        case BrokerError():
            return f"the broker is unavailable ({error})"
    return ""


def _end(text: str, code: ExitCode) -> None:
    line = f"budkavle: {redact(' '.join(text.split()))}"
    print(_wrapped(line) if sys.stderr.isatty() else line, file=sys.stderr)  # noqa: T201
    raise typer.Exit(code)


def _wrapped(line: str) -> str:
    """Broken between words, where a terminal would break within them."""
    width = shutil.get_terminal_size().columns
    return textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)


@contextmanager
def _persons_hidden() -> Iterator[None]:
    """Complaints about the command line repeat what was typed, which may be a person number."""
    try:
        yield
    except Exception as error:
        if isinstance(message := getattr(error, "message", None), str):
            error.message = redact(message)  # type: ignore[attr-defined]
        raise
