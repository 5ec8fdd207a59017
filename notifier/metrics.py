"""How notices fare, for operators. No label and no line ever holds an address."""

import structlog
from prometheus_client import Counter

from shared.booking.notices import Channel, NoticeStatus

log = structlog.get_logger()

NOTICES = Counter(
    "budkavle_notices_total",
    "Notices, by the status they reached; `uncertain` ones want an operator's eye.",
    ["channel", "status"],
)

_NOTEWORTHY = {NoticeStatus.UNCERTAIN, NoticeStatus.REJECTED, NoticeStatus.FAILED}


def observe(channel: Channel, status: NoticeStatus, detail: str) -> None:
    """Count a status reached; write a line about it, a warning where people should look."""
    NOTICES.labels(channel, status).inc()
    tell = log.warning if status in _NOTEWORTHY else log.info
    tell("notice", channel=channel, status=status, detail=detail)
