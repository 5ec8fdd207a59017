"""One structured line per event, on standard error: JSON, or pretty on a terminal.

Libraries that log through the standard library take the same way, so that their lines are
redacted too.
"""

import logging
import sys
from typing import Any, Protocol

import structlog
from structlog.types import EventDict, Processor

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


class LogSettings(Protocol):
    """The part of the settings that logging reads."""

    @property
    def log_format(self) -> str: ...
    @property
    def log_level(self) -> str: ...


def redaction(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """The last processor before rendering, so that nothing is added behind its back."""
    return {key: redact_value(value) for key, value in event.items()}


def configure_logging(stage: str, settings: LogSettings) -> None:
    """Set up all logging of this process; every line carries `stage`."""
    pretty = settings.log_format == "pretty" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _stage_adder(stage),
        redaction,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    )
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # In one piece with its line end: several processes may write to one file, unbuffered.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _route_standard_library(shared, renderer, level)


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
