"""What is counted at the gateway beside the outcomes of every stage."""

from prometheus_client import Counter

from ingest.handler import FaultReason, RefusalReason
from shared.base.metrics import declare_outcomes

ENGAGEMENTS = Counter("budkavle_ingest_engagements_total", "Engagements in accepted requests.")

declare_outcomes(
    "ingest", {"publish": [""], "ping": [""], "refuse": RefusalReason, "fault": FaultReason}
)
