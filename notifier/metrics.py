"""What becomes of notices, for operators. No label and no line ever holds an address."""

import structlog
from prometheus_client import Counter, Gauge

from notifier.channels import NoticeWaitReason
from notifier.handler import DoneReason, Note, NoticeDeadReason, NoticeDropReason, NoticeRetryReason
from notifier.pacing import BreakerChanged
from shared.base.metrics import declare_outcomes
from shared.booking.notices import Channel, NoticeStatus

log = structlog.get_logger()

NOTICES = Counter(
    "budkavle_notices_total",
    "Notices, by the status they reached; `uncertain` ones want an operator's eye.",
    ["channel", "status"],
)

BREAKER_OPEN = Gauge(
    "budkavle_provider_breaker_open",
    "1 while the circuit breaker of a provider is open or half-open, 0 while it is closed.",
    ["channel", "provider"],
)

for _channel in Channel:  # a series that is born at 1 shows no rise
    for _status in NoticeStatus:
        NOTICES.labels(_channel, _status)
declare_outcomes(
    "notifier",
    {
        "publish": Note,
        "done": DoneReason,
        "drop": NoticeDropReason,
        "postpone": NoticeWaitReason,
        "retry": NoticeRetryReason,
        "dead": [*NoticeRetryReason, *NoticeDeadReason],
    },
)

_NOTEWORTHY = {NoticeStatus.UNCERTAIN, NoticeStatus.REJECTED, NoticeStatus.FAILED}


def observe(channel: Channel, status: NoticeStatus, detail: str) -> None:
    """Count a status reached; write a line about it, a warning where people should look."""
    NOTICES.labels(channel, status).inc()
    report = log.warning if status in _NOTEWORTHY else log.info
    report("notice", channel=str(channel), status=str(status), detail=detail)  # plain: quicker


def watch_breaker(channel: Channel, provider: str) -> BreakerChanged:
    """Keeps the metric and the log of one provider's breaker. Its series begins at 0."""
    gauge = BREAKER_OPEN.labels(channel, provider)

    def changed(*, is_open: bool) -> None:
        gauge.set(is_open)
        event = "breaker_opened" if is_open else "breaker_closed"
        log.warning(event, channel=channel, provider=provider)

    return changed
