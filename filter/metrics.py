"""How many engagements go no further, by reason, and of which booking systems.

`budkavle_outcomes_total` counts requests; one request may hold up to 1,000 engagements.
"""

from collections.abc import Mapping
from itertools import islice

import structlog
from prometheus_client import Counter

from filter.rules import DropReason
from shared.base.metrics import BoundedLabel
from shared.booking.messages import Notification

log = structlog.get_logger()

ENGAGEMENTS_DROPPED = Counter(
    "budkavle_filter_engagements_dropped_total",
    "Engagements that the filter dropped, by reason.",
    ["reason"],
)
NOT_ACTIVATED = Counter(
    "budkavle_filter_not_activated_total",
    "Engagements of booking systems that are not activated; `other` beyond the first 100 systems.",
    ["source"],
)

#: Booking systems that are named in one log line, at most.
_SYSTEMS_IN_A_LINE = 20

_known = BoundedLabel(100)


def report_dropped(
    notification: Notification, reason: DropReason, systems: Mapping[str, int]
) -> None:
    number = sum(systems.values())
    ENGAGEMENTS_DROPPED.labels(reason).inc(number)
    if reason is DropReason.NOT_ACTIVATED:
        for system, engagements in systems.items():
            NOT_ACTIVATED.labels(_known(system)).inc(engagements)
    log.info(
        "engagements_dropped",
        reason=reason,
        engagements=number,
        sources=" ".join(islice(systems, _SYSTEMS_IN_A_LINE)),
        **notification.log_context,
    )
