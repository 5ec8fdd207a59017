"""Metrics of every stage. A stage's own metrics are in its `metrics.py`.

No label ever holds anything of a patient; `reason` comes from the stages' enumerations.
"""

from collections.abc import Iterable, Mapping
from functools import cache

from prometheus_client import Counter, Gauge, Histogram

_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LONG = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)

OUTCOMES = Counter(
    "budkavle_outcomes_total",
    "Messages handled, by what became of them.",
    ["stage", "outcome", "reason"],
)
HANDLER_SECONDS = Histogram(
    "budkavle_handler_seconds", "Time a handler took for one message.", ["stage"], buckets=_SHORT
)
IN_FLIGHT = Gauge("budkavle_in_flight", "Messages being handled now.", ["stage"])
AGE_SECONDS = Histogram(
    "budkavle_age_seconds",
    "Age of a notification, since ingest took it, when a stage was done with it.",
    ["stage"],
    buckets=_LONG,
)
#: Counted by the fetcher, and by the composer where only it can know.
REPLY_MISMATCHES = Counter(
    "budkavle_reply_mismatches_total",
    "Replies about another patient, unit or booking than asked for: a safety incident each.",
    ["source", "differs"],
)


def declare_outcomes(stage: str, reasons: Mapping[str, Iterable[str]]) -> None:
    """Start the series of each reason of each outcome at 0.

    Prometheus sees no increase in a series that begins at 1: the first event would not alert.
    """
    for outcome, words in reasons.items():
        for reason in words:
            outcome_counter(stage, outcome, str(reason))


@cache
def outcome_counter(stage: str, outcome: str, reason: str) -> Counter:
    """One of `OUTCOMES`, looked up once: that costs more than counting."""
    return OUTCOMES.labels(stage, outcome, reason)
