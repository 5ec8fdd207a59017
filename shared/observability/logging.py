"""One structured line per event, on standard error: JSON, or pretty on a terminal.

Libraries that log through the standard library take the same way, so that their lines are
redacted too.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import structlog
from pydantic_core import to_json
from structlog.types import EventDict, Processor

from shared.observability.lines import LineWriter
from shared.observability.redaction import redact_value

# Libraries that tell at "info" what concerns nobody who runs the relay.
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


#: One variable for all: structlog's own has one for each name, at five times the cost.
_bound: ContextVar[Mapping[str, str]] = ContextVar("bound")


class LogSettings(Protocol):
    """The part of the settings that logging reads."""

    @property
    def log_format(self) -> str: ...
    @property
    def log_level(self) -> str: ...


@contextmanager
def bound_to_lines(names: Mapping[str, str]) -> Iterator[None]:
    """Every line that this thread writes within the context carries `names`."""
    token = _bound.set(names)
    try:
        yield
    finally:
        _bound.reset(token)


def add_bound(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """What the event says itself goes before what is bound."""
    return {**_bound.get({}), **event}


def redaction(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """The last processor before rendering but for the time, so that nothing is added behind its
    back."""
    return {key: redact_value(value) for key, value in event.items()}


def configure_logging(stage: str, settings: LogSettings) -> None:
    """Set up all logging of this process; every line carries `stage`."""
    pretty = settings.log_format == "pretty" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    shared: list[Processor] = [
        add_bound,
        structlog.stdlib.add_log_level,
        structlog.processors.format_exc_info,
        _stage_adder(stage),
        redaction,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer(_json)
    )
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    writer = LineWriter(sys.stderr)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=True,
    )
    _route_standard_library(shared, renderer, level)


def _json(event: EventDict, **_options: Any) -> str:
    """Redacted, an event holds nothing that JSON does not know. A quarter of the cost of `json`."""
    return to_json(event).decode()


def _stage_adder(stage: str) -> Processor:
    def add(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event.setdefault("stage", stage)
        return event

    return add


def _route_standard_library(shared: list[Processor], renderer: Processor, level: int) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(capture=True)
