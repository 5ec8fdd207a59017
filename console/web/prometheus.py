"""The last hour as Prometheus has it, when its address is set."""

import time
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import httpx
import structlog

log = structlog.get_logger()

_RATES = "sum by (stage) (rate(budkavle_outcomes_total[2m]))"
_HOUR, _STEP = 3600, 60
_TIMEOUT_SECONDS = 2
#: Prometheus is asked once in so many seconds, however many look.
_FRESH_SECONDS = 30
_lock = Lock()
_known: dict[str, tuple[float, Mapping[str, Sequence[float]]]] = {}


def last_hour(url: str) -> Mapping[str, Sequence[float]]:
    """Messages a second of each stage, a value a minute. Empty when Prometheus cannot be asked."""
    if not url:
        return {}
    with _lock:
        asked_at, rates = _known.get(url, (0.0, {}))
        if time.monotonic() - asked_at > _FRESH_SECONDS or not asked_at:
            rates = _ask(url)
            _known[url] = (time.monotonic(), rates)
        return rates


def _ask(url: str) -> Mapping[str, Sequence[float]]:
    now = time.time()
    span: dict[str, str | float] = {
        "query": _RATES,
        "start": now - _HOUR,
        "end": now,
        "step": _STEP,
    }
    try:
        answer = httpx.get(
            f"{url.rstrip('/')}/api/v1/query_range", params=span, timeout=_TIMEOUT_SECONDS
        )
        return _rates_of(answer.raise_for_status().json())
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        log.warning("prometheus_unavailable", error=type(error).__name__)
        return {}


def _rates_of(answer: Any) -> Mapping[str, Sequence[float]]:
    return {
        series["metric"]["stage"]: [float(value) for _, value in series["values"]]
        for series in answer["data"]["result"]
    }
