"""What stands: inboxes and notices in the database, what phones and mailboxes got, dead letters."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any

import requests
from sqlalchemy import select

from shared.booking.identity import hsa_key
from shared.booking.notices import Channel, NoticeStatus
from shared.relay import open_broker
from shared.relay.broker import Envelope
from shared.relay.topology import READING_STAGES
from shared.store.engine import open_database
from shared.store.tables import inbox_message, notice
from tests.chaos.telling import Line

#: The sandbox lists all mail of a long run, beside other work.
_TIMEOUT = 300
_DAWN = datetime.min.replace(tzinfo=UTC)
#: A message is seen when its transaction ends, up to this long after it was dated.
_OVERLAP = timedelta(seconds=20)

#: Patient and booking system: where one case's messages lie.
PatientBookings = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """An inbox message as it stands in the database."""

    id: str
    patient_bookings: PatientBookings
    line: Line
    change_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NoticeRow:
    id: str
    message_id: str
    channel: Channel
    status: NoticeStatus
    claim_id: str | None = None  # the same in all notices that went out as one


class Ledger:
    """Reads past the proxies. Raises `DatabaseUnavailable` while the database is away.

    One look at a time: the last one in another thread may outlive the task that began it.
    """

    def __init__(self, database_url: str) -> None:
        self._guard = RLock()
        self._database = open_database(database_url, pool_size=1)
        self._ids: set[str] = set()
        self._newest = _DAWN
        self.told: dict[PatientBookings, list[Message]] = defaultdict(list)

    def close(self) -> None:
        self._database.close()

    def look(self) -> None:
        """Take up what was written since the last look, or began to be just before it."""
        with self._guard:
            self._look()

    def _look(self) -> None:
        wanted = select(inbox_message).order_by(inbox_message.c.created_at)
        if self._newest > _DAWN:
            wanted = wanted.where(inbox_message.c.created_at > self._newest - _OVERLAP)
        with self._database.begin() as connection:
            rows = connection.execute(wanted).mappings().all()
        for row in rows:
            if row["id"] not in self._ids:
                self._ids.add(row["id"])
                message = _message(row)
                self.told[message.patient_bookings].append(message)
                self._newest = max(self._newest, message.created_at)

    def all_told(self) -> dict[PatientBookings, list[Message]]:
        """All rows read again, by patient and source, in the order of writing."""
        with self._guard:
            self._ids.clear()
            self.told.clear()
            self._newest = _DAWN
            self._look()
        return self.told

    def notices(self) -> list[NoticeRow]:
        with self._database.begin() as connection:
            return [
                NoticeRow(
                    row.id,
                    row.message_id,
                    Channel(row.channel),
                    NoticeStatus(row.status),
                    row.claim_id,
                )
                for row in connection.execute(select(notice))
            ]


def _message(row: Any) -> Message:
    line = Line(row["kind"], row["booking_id"], row["starts"], row["state"]["performer_name"])
    patient_bookings = row["patient"].upper(), hsa_key(row["source_system"])
    return Message(row["id"], patient_bookings, line, row["change_id"], row["created_at"])


def caught(control: str) -> Counter[str]:
    """How often each notice reached a phone or a mailbox, by the notice's id.

    An SMS names its notice where reports of its delivery are wanted; a mail in its Message-ID.
    """
    sms = requests.get(f"{control}/sms", timeout=_TIMEOUT).json()
    mail = requests.get(f"{control}/mail", timeout=_TIMEOUT).json()
    return Counter(
        [
            *(one["whendelivered"].rpartition("/")[2] for one in sms),
            *(one["headers"]["Message-ID"].strip("<>").partition("@")[0] for one in mail),
        ]
    )


def dead_letters(broker_url: str) -> Iterator[Envelope]:
    broker = open_broker(broker_url)
    try:
        for stage in READING_STAGES:
            yield from broker.dead_letters(stage)
    finally:
        broker.close()
