"""Metrics and log lines of the fetcher, beside those of every stage."""

from collections.abc import Iterable

import structlog
from prometheus_client import Counter, Gauge, Histogram

from fetcher.answers import FetchRetryReason
from fetcher.handler import FetchDeadReason, FetchDropReason, MismatchWaitReason
from fetcher.limits import Source, SourceWaitReason
from fetcher.source_calls import SourceCalls
from fetcher.verification import Mismatch
from shared.base.metrics import REPLY_MISMATCHES, declare_outcomes

log = structlog.get_logger()

CALLS = Counter("budkavle_source_calls_total", "Calls to source systems.", ["source", "result"])
CALL_SECONDS = Histogram(
    "budkavle_source_call_seconds",
    "Time of a call to a source system, retries within it included.",
    ["source"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60),
)
BREAKER_OPEN = Gauge(
    "budkavle_breaker_open",
    "1 while the circuit breaker of a source is open or half-open, 0 while it is closed.",
    ["source"],
)
FORBIDDEN_CHARACTERS = Counter(
    "budkavle_reply_forbidden_characters_total",
    "Replies that could be read only without characters that XML forbids.",
    ["source"],
)


declare_outcomes(
    "fetcher",
    {
        "publish": [""],
        "drop": FetchDropReason,
        "postpone": [*SourceWaitReason, *MismatchWaitReason],
        "retry": FetchRetryReason,
        "dead": [*FetchRetryReason, *FetchDeadReason],
    },
)


class SourceWatch:
    """Counts and logs for the limits and the handler."""

    def __init__(self) -> None:
        self.calls = SourceCalls()

    def activated(self, sources: Iterable[Source]) -> None:
        """Start the series of each source at 0: a series that begins at 1 shows no increase."""
        for source in sources:
            BREAKER_OPEN.labels(source.hsa_id)
            FORBIDDEN_CHARACTERS.labels(source.hsa_id)
            for what in Mismatch:
                REPLY_MISMATCHES.labels(source.hsa_id, what)

    def call_ended(self, source: Source, result: str, seconds: float) -> None:
        CALLS.labels(source.hsa_id, result).inc()
        CALL_SECONDS.labels(source.hsa_id).observe(seconds)
        self.calls.add(source.hsa_id, result, seconds)

    def breaker_changed(self, source: Source, *, is_open: bool) -> None:
        BREAKER_OPEN.labels(source.hsa_id).set(is_open)
        log.warning("breaker_opened" if is_open else "breaker_closed", source=source.hsa_id)

    def mismatch(self, source: Source, what: Mismatch) -> None:
        REPLY_MISMATCHES.labels(source.hsa_id, what).inc()
        log.error("reply_mismatch", source=source.hsa_id, differs=what)

    def forbidden_characters(self, hsa_id: str) -> None:
        FORBIDDEN_CHARACTERS.labels(hsa_id).inc()
        log.warning("reply_forbidden_characters", source=hsa_id)
