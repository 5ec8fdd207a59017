"""How notices fare, for operators. No label and no line ever holds an address."""

import structlog
from prometheus_client import Counter

from notifier.handler import DeadReason, DropReason, Note, RetryReason, WaitReason
from shared.base.metrics import declare_outcomes
from shared.booking.notices import Channel, NoticeStatus

log = structlog.get_logger()

NOTICES = Counter(
    "budkavle_notices_total",
    "Notices, by the status they reached; `uncertain` ones want an operator's eye.",
    ["channel", "status"],
)

for _channel in Channel:  # a series that is born at 1 shows no rise
    for _status in NoticeStatus:
        NOTICES.labels(_channel, _status)
declare_outcomes(
    "notifier",
    {
        "publish": Note,
        "drop": DropReason,
        "postpone": WaitReason,
        "retry": RetryReason,
        "dead": [*RetryReason, *DeadReason],
    },
)

_NOTEWORTHY = {NoticeStatus.UNCERTAIN, NoticeStatus.REJECTED, NoticeStatus.FAILED}


def observe(channel: Channel, status: NoticeStatus, detail: str) -> None:
    """Count a status reached; write a line about it, a warning where people should look."""
    NOTICES.labels(channel, status).inc()
    tell = log.warning if status in _NOTEWORTHY else log.info
    tell("notice", channel=channel, status=status, detail=detail)
