"""OpenTelemetry, if the extra `otel` is installed and the environment names where traces go.

Nothing of it is imported otherwise.
"""

import os
from typing import TYPE_CHECKING

import structlog

from shared.stage.settings import CommonSettings

if TYPE_CHECKING:
    from shared.stage.otel import Telemetry

log = structlog.get_logger()

#: As the specification names them (OpenTelemetry, "OTLP Exporter Configuration").
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def telemetry_of(stage: str, settings: CommonSettings) -> "Telemetry | None":
    """None: no traces are wanted, or the extra is not installed."""
    if not _is_wanted():
        return None
    try:
        from shared.stage.otel import exporting
    except ImportError:
        log.warning("otel_missing", install="budkavle[otel]")
        return None
    return exporting(stage, settings.environment)


def _is_wanted() -> bool:
    off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    none = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    return any(os.environ.get(name, "").strip() for name in ENDPOINTS) and not off and not none
