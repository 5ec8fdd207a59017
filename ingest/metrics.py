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
SPOOLED = Counter(
    "budkavle_ingest_spooled_messages_total",
    "Messages that were written to the spool, since the broker did not take them.",
)
SPOOL_MESSAGES = Gauge("budkavle_ingest_spool_messages", "Messages in the spool.")
SPOOL_BYTES = Gauge("budkavle_ingest_spool_bytes", "Bytes of what is in the spool.")
SPOOL_LIMIT = Gauge("budkavle_ingest_spool_limit_bytes", "Bytes that the spool may hold; 0: none.")
SPOOL_OLDEST = Gauge(
    "budkavle_ingest_spool_oldest_seconds", "How long the oldest message in the spool has waited."
)

declare_outcomes(
    "ingest", {"publish": [""], "ping": [""], "refuse": RefusalReason, "fault": FaultReason}
)
