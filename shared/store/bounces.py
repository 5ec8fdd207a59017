"""What mail servers report of notices by e-mail, and addresses that are suppressed for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, select, update

from shared.base.clock import Clock, utcnow
from shared.booking.notices import Channel, NoticeStatus
from shared.store.engine import Database
from shared.store.tables import contact_preference, inbox_message, notice

_notice = notice.c
_contact = contact_preference.c

#: What a report may still change: it knows more than any of these.
_REPORTABLE = (NoticeStatus.SENDING, NoticeStatus.ACCEPTED, NoticeStatus.UNCERTAIN)


@dataclass(frozen=True, slots=True)
class Bounced:
    """What a report led to.

    `notices`: how many it changed; 0 when it was known before. `bounces`: permanent failures of the
    address since it was set; 0 when it counted for none. `suppressed`: the address just was.
    """

    notice_id: str
    notices: int
    bounces: int = 0
    suppressed: bool = False


class Bounces:
    """All methods raise `DatabaseUnavailable`. `most`: an address with so many permanent failures
    is suppressed; 0: none is.
    """

    def __init__(self, database: Database, most: int, clock: Clock = utcnow) -> None:
        self._database = database
        self._most = most
        self._clock = clock

    def record(
        self, notice_ids: Sequence[str], status: NoticeStatus, code: str, *, counts: bool
    ) -> Bounced | None:
        """Write down what became of the first of `notice_ids` that is a notice by e-mail.

        None when none is. `code`: the enhanced status code (RFC 3463). `counts`: it is a permanent
        failure of the address. A report that comes again changes and counts nothing.
        """
        with self._database.begin() as connection:
            found = _found(connection, notice_ids)
            if found is None:
                return None
            now = self._clock()
            changed = _conclude(connection, found, status, code, now)
            if not (changed and counts):
                return Bounced(found.id, changed)
            return self._count(connection, found, changed, code, now)

    def _count(
        self, connection: Connection, found: Row[Any], changed: int, code: str, now: datetime
    ) -> Bounced:
        """Only an address that the notice was sent to: a newer one has bounced nothing."""
        address = and_(
            _contact.patient.in_(_patient_of(found.message_id)),
            _contact.channel == Channel.EMAIL,
            _contact.updated_at <= found.updated_at,
        )
        values = {"bounces": _contact.bounces + 1, "last_bounce": code}
        change = update(contact_preference).where(address).values(values)
        bounces = connection.execute(change.returning(_contact.bounces)).scalar() or 0
        suppresses = 0 < self._most <= bounces
        if suppresses:
            still = and_(address, _contact.suppressed_at.is_(None))
            suppress = update(contact_preference).where(still).values(suppressed_at=now)
            suppresses = connection.execute(suppress).rowcount > 0
        return Bounced(found.id, changed, bounces, suppresses)


def _found(connection: Connection, notice_ids: Sequence[str]) -> Row[Any] | None:
    for notice_id in notice_ids:
        by_mail = and_(_notice.id == notice_id, _notice.channel == Channel.EMAIL)
        if row := connection.execute(select(notice).where(by_mail)).one_or_none():
            return row
    return None


def _conclude(
    connection: Connection, found: Row[Any], status: NoticeStatus, code: str, now: datetime
) -> int:
    """All notices that were sent as one have the same end."""
    sent_as_one = and_(
        _notice.recipient == found.recipient,
        _notice.claim_id == found.claim_id,
        _notice.channel == Channel.EMAIL,
        _notice.status.in_(_REPORTABLE),
    )
    values = {"status": status, "detail": f"bounced {code}".strip(), "updated_at": now}
    if status is NoticeStatus.DELIVERED:
        values["detail"] = "reported"
    return connection.execute(update(notice).where(sent_as_one).values(values)).rowcount


def _patient_of(message_id: str) -> Any:
    return select(inbox_message.c.patient).where(inbox_message.c.id == message_id)
