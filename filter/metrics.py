"""How many engagements go no further, by reason.

`budkavle_outcomes_total` counts requests; one request may hold up to 1,000 engagements.
"""

from prometheus_client import Counter

from filter.rules import DropReason
from shared.base.metrics import declare_outcomes

ENGAGEMENTS_DROPPED = Counter(
    "budkavle_filter_engagements_dropped_total",
    "Engagements that the filter dropped, by reason.",
    ["reason"],
)

declare_outcomes("filter", {"publish": [""], "drop": DropReason})
for _reason in DropReason:
    ENGAGEMENTS_DROPPED.labels(_reason)


def count_dropped(reason: DropReason, number: int) -> None:
    ENGAGEMENTS_DROPPED.labels(reason).inc(number)
