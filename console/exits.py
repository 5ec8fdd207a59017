"""Exit codes, and the one place where expected trouble becomes one line on standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

from shared.base.errors import CannotStart, WrongSettings
from shared.base.redaction import redact
from shared.relay.broker import BrokerError, DeadQueueBusy
from shared.store.engine import DatabaseUnavailable


class ExitCode(IntEnum):
    """What scripts can go by; told in `budkavle --help`."""

    DONE = 0
    NOTHING_FOUND = 1
    USAGE = 2
    UNAVAILABLE = 3
    STOPPED = 4  # it ended by itself, since something is wrong
    INTERRUPTED = 130


class Refused(Exception):
    """The command cannot do what was asked. Its text is the line the operator reads."""

    def __init__(self, text: str, code: ExitCode) -> None:
        super().__init__(text)
        self.code = code


def nothing_found(text: str) -> Refused:
    return Refused(text, ExitCode.NOTHING_FOUND)


_EXPECTED = (BrokerError, CannotStart, DatabaseUnavailable)


class OperatorCommands(TyperGroup):
    """The command's root: every subcommand runs inside its `invoke`."""

    def invoke(self, ctx: Any) -> Any:
        with _persons_hidden():
            try:
                return super().invoke(ctx)
            except Refused as error:
                _end(str(error), error.code)
            except _EXPECTED as error:
                _end(*_explained(error))


def _explained(error: Exception) -> tuple[str, ExitCode]:
    match error:
        case WrongSettings():
            return f"settings: {error}", ExitCode.USAGE
        case DeadQueueBusy():
            return str(error), ExitCode.UNAVAILABLE
        case BrokerError():
            return f"the broker is unavailable ({error})", ExitCode.UNAVAILABLE
        case DatabaseUnavailable():
            return "the database is unavailable", ExitCode.UNAVAILABLE
        case _:
            return str(error), ExitCode.UNAVAILABLE


def _end(text: str, code: ExitCode) -> None:
    print(f"budkavle: {redact(' '.join(text.split()))}", file=sys.stderr)  # noqa: T201
    raise typer.Exit(code)


@contextmanager
def _persons_hidden() -> Iterator[None]:
    """Complaints about the command line repeat what was typed, which may be a person number."""
    try:
        yield
    except Exception as error:
        if isinstance(message := getattr(error, "message", None), str):
            error.message = redact(message)  # type: ignore[attr-defined]
        raise
