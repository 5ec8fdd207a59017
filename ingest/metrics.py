"""What is counted at the gateway beside the outcomes of every stage."""

from prometheus_client import Counter, Gauge

from ingest.handler import FaultReason, RefusalReason
from shared.base.metrics import declare_outcomes

ENGAGEMENTS = Counter("budkavle_ingest_engagements_total", "Engagements in accepted requests.")
REFUSED = Counter(
    "budkavle_ingest_engagements_refused_total",
    "Engagements that could not be taken, by the element at fault and what is wrong with it.",
    ["element", "flaw"],
)
IGNORED = Counter(
    "budkavle_ingest_engagements_ignored_total",
    "Engagements of other service domains that could not be read; all others the filter counts.",
)
HELD = Gauge("budkavle_ingest_held_requests", "Requests that wait for the broker to come back.")

declare_outcomes(
    "ingest", {"publish": [""], "ping": [""], "refuse": RefusalReason, "fault": FaultReason}
)
