"""Channels and statuses of notices.

A *notice* says that a new message waits in the inbox, and never what it is about
(docs/domain.md, "The notice").
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Channel(StrEnum):
    SMS = "sms"
    EMAIL = "email"


class NoticeStatus(StrEnum):
    """How far a notice has come.

    ```
    pending ─► sending ─► accepted ──► delivered | failed    (by a report, or a bounce)
     │ ▲          │ │ └─► rejected                           (it will never be taken)
     │ └──────────┘ └───► uncertain ─► delivered | failed    (perhaps sent: never sent again)
     ├──► withdrawn                    (no longer wanted, or of no use any more)
     └──► suppressed                   (the address has bounced too often)
    ```
    """

    PENDING = "pending"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    SUPPRESSED = "suppressed"
    UNCERTAIN = "uncertain"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a patient wants notices on one channel.

    `suppressed_at`: since when nothing is sent there, after `bounces` permanent failures, the last
    of which was `last_bounce` (RFC 3463: 5.1.1).
    """

    address: str
    bounces: int = 0
    last_bounce: str = ""
    suppressed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice as stored: its status, since when, and why, for operators."""

    id: str
    message_id: str
    channel: Channel
    status: NoticeStatus
    since: datetime
    detail: str = ""
    provider_id: str | None = None  # the provider's own id of it
    claim_id: str | None = None  # of its latest claim; the same in all that were sent as one


class Wanted(NamedTuple):
    """A notice that is to be sent: about which message, by which channel, to whom."""

    message_id: str
    channel: Channel
    patient: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send one SMS or e-mail, now, once, for all notices that waited to go to one
    patient on one channel: `count` of them. It goes out in the name of `notice_id`.
    """

    id: str
    notice_id: str
    at: datetime
    count: int = 1


class Ending(NamedTuple):
    """What came of a claim; `pending` gives it back."""

    claim: Claim
    status: NoticeStatus
    detail: str = ""
    provider_id: str | None = None
