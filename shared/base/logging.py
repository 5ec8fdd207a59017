"""One structured line per event, on standard error: JSON, or pretty on a terminal.

Libraries that log through the standard library use the same processors, so their lines are redacted
too.
"""

import logging
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol

import structlog
from pydantic_core import to_json
from structlog.types import EventDict, Processor

from shared.base.lines import LineWriter
from shared.base.redaction import holds_no_secrets, may_hold_secrets, redact_value

# Libraries whose lines at level "info" are of no use to operators.
_CHATTY = (
    "pika",
    "zeep",
    "urllib3",
    "alembic",
    "uvicorn.access",
    "sqlalchemy.engine",
    "asyncio",
    "mail.log",
)


#: One context variable for all names: structlog has one for each, at five times the cost.
_bound: ContextVar[Mapping[str, str]] = ContextVar("bound")
_NOTHING: Mapping[str, str] = {}

#: Types whose JSON equals their `str`. Of other types only `str` is known to hide patients' data.
_PLAIN = frozenset((str, int, float, bool, type(None)))


class LogSettings(Protocol):
    """The part of the settings that logging reads."""

    @property
    def log_format(self) -> str: ...
    @property
    def log_level(self) -> str: ...


class bound_to_lines:  # noqa: N801 - used as a function; as a generator it cost twice as much
    """Add `names` to every line that this thread writes within the context."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def __enter__(self) -> None:
        self._token = _bound.set(self._names)

    def __exit__(self, *_error: object) -> None:
        _bound.reset(self._token)


def redaction(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Redact the event. The last processor before rendering, so nothing is added after it."""
    return {key: redact_value(value) for key, value in event.items()}


def json_line(_logger: Any, _method: str, event: EventDict) -> str:
    """The event as JSON, redacted.

    Most lines hold plain values and nothing to redact. Checking such a line once costs a fraction
    of checking each of its values.
    """
    if _PLAIN.issuperset(map(type, event.values())):
        line = to_json(event)
        if holds_no_secrets(line) or not may_hold_secrets(line.decode()):
            return line.decode()
    # A redacted event holds only types that JSON has.
    return to_json(redaction(_logger, _method, event)).decode()


def configure_logging(stage: str, settings: LogSettings) -> None:
    """Set up all logging of this process; every line carries `stage`."""
    pretty = settings.log_format == "pretty" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    shared: list[Processor] = [
        _completion(stage),
        structlog.processors.format_exc_info,
    ]
    renderers: list[Processor] = (
        [redaction, structlog.dev.ConsoleRenderer()] if pretty else [json_line]
    )
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    writer = LineWriter(sys.stderr)
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=True,
    )
    _route_standard_library(shared, renderers, level)


def _completion(stage: str) -> Processor:
    """One processor adds what all lines have: several would be a third of the cost of a line."""

    def complete(_logger: Any, method: str, event: EventDict) -> EventDict:
        """The event's own values override the bound ones."""
        return {
            "stage": stage,
            **_bound.get(_NOTHING),
            **event,
            "level": method,
            "timestamp": _timestamp(),
        }

    return complete


def _timestamp() -> str:
    second, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    return f"{_date_and_time(second)}.{microseconds:06}Z"


@lru_cache(maxsize=1)
def _date_and_time(second: int) -> str:
    """Most lines share it with the line before."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _route_standard_library(
    shared: list[Processor], renderers: list[Processor], level: int
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(capture=True)
