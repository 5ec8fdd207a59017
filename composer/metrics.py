"""What the composer counts, beside the counts of every stage; and the line it writes with it."""

import structlog

from composer.handler import ComposerDeadReason
from composer.verdict import Reason
from shared.base.metrics import REPLY_MISMATCHES, declare_outcomes
from shared.booking.inbox import MessageKind

_DIFFERS = "patient"

log = structlog.get_logger()

declare_outcomes(
    "composer",
    {
        "publish": [*MessageKind, *Reason],
        "done": Reason,
        "drop": Reason,
        "postpone": Reason,
        "dead": [*ComposerDeadReason, Reason.REPLY_MISMATCH],
    },
)


def report_mismatch(source_system: str) -> None:
    """A reply to the question about a removal was about another person, and nothing explains it."""
    REPLY_MISMATCHES.labels(source_system, _DIFFERS).inc()
    log.error("reply_mismatch", source=source_system, differs=_DIFFERS)
