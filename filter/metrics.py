"""How many engagements are dropped or refused, by reason and booking system.

`budkavle_outcomes_total` counts queue messages; one may hold many engagements.
"""

from collections import Counter as Count
from collections.abc import Mapping
from itertools import islice
from threading import Lock

import structlog
from prometheus_client import Counter

from filter.refused import OddEngagement
from filter.rules import EngagementDropReason
from shared.base.metrics import declare_outcomes
from shared.base.redaction import redact
from shared.booking.identity import hsa_key
from shared.booking.messages import Notification

log = structlog.get_logger()

#: How many booking systems that are not activated have a label of their own.
_MOST_STRANGERS = 100
#: How many booking systems one log line names at most.
_SYSTEMS_IN_A_LINE = 20

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
ENGAGEMENTS_REFUSED = Counter(
    "budkavle_filter_engagements_refused_total",
    "Engagements that cannot be taken. `kept`: as a dead letter; the others are dropped.",
    ["source", "element", "flaw", "kept"],
)

declare_outcomes("filter", {"publish": [""], "drop": EngagementDropReason})
for _reason in EngagementDropReason:
    ENGAGEMENTS_DROPPED.labels(_reason)


class SystemLabels:
    """Labels for booking systems, bounded so that a sender cannot exhaust the memory.

    Every activated system has one, and of the others the first hundred.
    """

    def __init__(self, most_strangers: int = _MOST_STRANGERS) -> None:
        self._most_strangers = most_strangers
        self._strangers: set[str] = set()
        self._guard = Lock()

    def label(self, source_system: str, *, activated: bool) -> str:
        if not source_system:
            return "unreadable"
        key = redact(hsa_key(source_system))
        return key if activated or self._is_known(key) else "other"

    def _is_known(self, key: str) -> bool:
        with self._guard:
            if len(self._strangers) < self._most_strangers:
                self._strangers.add(key)
            return key in self._strangers


_systems = SystemLabels()


def report_dropped(
    notification: Notification, reason: EngagementDropReason, systems: Mapping[str, int]
) -> None:
    number = sum(systems.values())
    ENGAGEMENTS_DROPPED.labels(reason).inc(number)
    if reason is EngagementDropReason.NOT_ACTIVATED:
        for system, engagements in systems.items():
            NOT_ACTIVATED.labels(_systems.label(system, activated=False)).inc(engagements)
    log.info(
        "engagements_dropped",
        reason=reason,
        number=number,
        sources=" ".join(islice(systems, _SYSTEMS_IN_A_LINE)),
        **notification.log_context,
    )


def report_refused(odd: tuple[OddEngagement, ...], *, activated: bool, kept: bool) -> None:
    """Count the refused engagements of one system, and log what is wrong with them."""
    source = odd[0].source_system
    label = _systems.label(source, activated=activated)
    for (element, flaw), number in Count((one.element, one.flaw) for one in odd).items():
        ENGAGEMENTS_REFUSED.labels(label, element, flaw, "yes" if kept else "no").inc(number)
        log.warning(
            "engagements_refused",
            source=source or "unreadable",
            element=element,
            flaw=flaw,
            number=number,
            kept=kept,
        )


def not_activated() -> dict[str, int]:
    """How many engagements were dropped of each system that has a label of its own."""
    samples = (sample for family in NOT_ACTIVATED.collect() for sample in family.samples)
    counted = {
        sample.labels["source"]: int(sample.value)
        for sample in samples
        if sample.name.endswith("_total")
    }
    return {key: number for key, number in counted.items() if key not in {"other", "unreadable"}}
