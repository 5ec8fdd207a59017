"""Metrics of the inbox read API, beside those of every process. No label names a patient."""

from prometheus_client import Histogram

REQUEST_SECONDS = Histogram(
    "budkavle_inbox_request_seconds",
    "Time to answer a request, by operation and status.",
    ["operation", "status"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
