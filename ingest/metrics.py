"""What is counted at the gateway beside the outcomes of every stage."""

from prometheus_client import Counter

ENGAGEMENTS = Counter("budkavle_ingest_engagements_total", "Engagements in accepted requests.")
