"""The words for notices: on which channel one goes out, and how far it has come.

A *notice* tells a patient that a new message waits in the inbox; it never says what about
(docs/domain.md, "The notice").
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Channel(StrEnum):
    SMS = "sms"
    EMAIL = "email"


class NoticeStatus(StrEnum):
    """How far a notice has come.

    ```
    pending ─► sending ─► accepted ──► delivered | failed    (by the provider's report)
       ▲          │ │ └─► rejected                           (it will never be taken)
       └──────────┘ └───► uncertain ─► delivered | failed    (perhaps sent: never sent again)
    ```
    """

    PENDING = "pending"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNCERTAIN = "uncertain"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice as it stands in the database: its status since when, and why, for operators."""

    id: str
    message_id: str
    channel: Channel
    status: NoticeStatus
    since: datetime
    detail: str = ""
    provider_id: str | None = None  # the provider's own id of it


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send one notice, now, once. `at` tells this claim from any later one."""

    notice_id: str
    at: datetime
