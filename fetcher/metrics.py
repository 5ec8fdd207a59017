"""What the fetcher counts, beside the counts of every stage; and the lines it writes with them."""

import structlog
from prometheus_client import Counter, Gauge, Histogram

from fetcher.limits import Source
from fetcher.verification import Mismatch

log = structlog.get_logger()

CALLS = Counter("budkavle_source_calls_total", "Calls to source systems.", ["source", "result"])
CALL_SECONDS = Histogram(
    "budkavle_source_call_seconds",
    "Time of a call to a source system, retries within it included.",
    ["source"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60),
)
CLOSED = Gauge(
    "budkavle_source_closed", "1 while the circuit breaker keeps a source closed.", ["source"]
)
MISMATCHES = Counter(
    "budkavle_reply_mismatches_total",
    "Replies about another patient, unit or booking than asked for: a safety incident each.",
    ["source", "differs"],
)


class SourceWatch:
    """Counts, for the limits and the handler."""

    def call_ended(self, source: Source, result: str, seconds: float) -> None:
        CALLS.labels(source.hsa_id, result).inc()
        CALL_SECONDS.labels(source.hsa_id).observe(seconds)

    def source_closed(self, source: Source, *, closed: bool) -> None:
        CLOSED.labels(source.hsa_id).set(closed)
        log.warning("source_closed" if closed else "source_opened", source=source.hsa_id)

    def mismatch(self, source: Source, what: Mismatch) -> None:
        MISMATCHES.labels(source.hsa_id, what).inc()
        log.error("reply_mismatch", source=source.hsa_id, differs=what)
