"""Which notice was sent, and how far it came: the table `notice`.

A notice is sent by whoever holds its claim. A claim is taken in one atomic statement that is
committed before anything is sent, so of several workers one sends; and what is found claimed is
never claimed again, so a crash in the midst of sending sends nothing twice.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, update
from tenacity import (
    AttemptManager,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random,
)

from shared.clock import Clock, utcnow
from shared.database.engine import Database, DatabaseUnavailable
from shared.database.statements import insert_if_absent
from shared.database.tables import notice
from shared.identity import new_id
from shared.notices import Channel, Claim, Notice, NoticeStatus

_table = notice.c
_DETAIL_LENGTH = 200
_PROVIDER_ID_LENGTH = 100

#: What a provider's report may still change: it knows more than any of these.
_REPORTABLE = (NoticeStatus.SENDING, NoticeStatus.ACCEPTED, NoticeStatus.UNCERTAIN)


class NoticeStore:
    """All methods raise `DatabaseUnavailable`.

    `patience`: how long `settle` tries again by itself when the database is away. The provider has
    answered by then, and the answer is lost with the process.
    """

    def __init__(
        self, database: Database, clock: Clock = utcnow, patience: timedelta = timedelta(seconds=10)
    ) -> None:
        self._database = database
        self._clock = clock
        self._patience = patience

    def claim(self, message_id: str, channel: Channel) -> Claim | Notice:
        """The right to send this notice; or how it stands, when it is not to be sent (again)."""
        now = self._clock()
        with self._database.begin() as connection:
            first = _claim_first(connection, message_id, channel, now)
            return first or _claim_again(connection, message_id, channel, now)

    def settle(
        self,
        claim: Claim,
        status: NoticeStatus,
        *,
        detail: str = "",
        provider_id: str | None = None,
    ) -> None:
        """Write down what came of a claim; `pending` gives it back.

        Does nothing when the claim has passed on. A notice that was taken for uncertain meanwhile,
        because its sender was so slow, takes the sender's word, but is not given back: whoever
        found it uncertain has told so and let it be.
        """
        change = update(notice).where(_held(claim, status))
        values = {
            "status": status,
            "detail": detail[:_DETAIL_LENGTH],
            "provider_id": _kept_id(provider_id),
            "updated_at": self._clock(),
        }
        for attempt in self._patiently():
            with attempt, self._database.begin() as connection:
                connection.execute(change.values(values))

    def doubt(self, stale: Notice, detail: str) -> bool:
        """Take a notice `sending` for too long for uncertain; whether it still was `sending`."""
        still = and_(
            _table.id == stale.id,
            _table.status == NoticeStatus.SENDING,
            _table.updated_at == stale.since,
        )
        values = {"status": NoticeStatus.UNCERTAIN, "detail": detail, "updated_at": self._clock()}
        with self._database.begin() as connection:
            return connection.execute(update(notice).where(still).values(values)).rowcount == 1

    def report(self, notice_id: str, status: NoticeStatus, provider_id: str) -> bool:
        """Write down a provider's delivery report; whether it changed anything."""
        open_notice = and_(_table.id == notice_id, _table.status.in_(_REPORTABLE))
        values = {
            "status": status,
            "provider_id": _kept_id(provider_id),
            "updated_at": self._clock(),
        }
        change = update(notice).where(open_notice).values(values)
        with self._database.begin() as connection:
            return connection.execute(change).rowcount == 1

    def of_message(self, message_id: str) -> list[Notice]:
        """The notices about one inbox message."""
        with self._database.begin() as connection:
            rows = connection.execute(
                select(notice).where(_table.message_id == message_id).order_by(_table.channel)
            )
            return [_notice(row) for row in rows]

    def with_status(self, status: NoticeStatus, *, limit: int) -> list[Notice]:
        """The notices that stand there, those that came there last first."""
        found = select(notice).where(_table.status == status)
        with self._database.begin() as connection:
            rows = connection.execute(found.order_by(_table.updated_at.desc()).limit(limit))
            return [_notice(row) for row in rows]

    def tally(self) -> dict[tuple[Channel, NoticeStatus], int]:
        """How many notices stand where."""
        counted = select(_table.channel, _table.status, func.count()).group_by(
            _table.channel, _table.status
        )
        with self._database.begin() as connection:
            return {
                (Channel(channel), NoticeStatus(status)): count
                for channel, status, count in connection.execute(counted)
            }

    def _patiently(self) -> Iterable[AttemptManager]:
        return Retrying(
            retry=retry_if_exception_type(DatabaseUnavailable),
            stop=stop_after_delay(self._patience.total_seconds()),
            wait=wait_random(0.1, 1),
            reraise=True,
        )


def _claim_first(
    connection: Connection, message_id: str, channel: Channel, now: datetime
) -> Claim | None:
    """The claim of a notice nobody has tried to send yet."""
    notice_id = new_id()
    row = {
        "id": notice_id,
        "message_id": message_id,
        "channel": channel,
        "status": NoticeStatus.SENDING,
        "detail": "",
        "created_at": now,
        "updated_at": now,
    }
    return Claim(notice_id, now) if insert_if_absent(connection, notice, row) else None


def _claim_again(
    connection: Connection, message_id: str, channel: Channel, now: datetime
) -> Claim | Notice:
    """The claim of a notice that was given back; or how it stands."""
    this = and_(_table.message_id == message_id, _table.channel == channel)
    pending = update(notice).where(this, _table.status == NoticeStatus.PENDING)
    claimed = connection.execute(pending.values(status=NoticeStatus.SENDING, updated_at=now))
    standing = _notice(connection.execute(select(notice).where(this)).one())
    return Claim(standing.id, now) if claimed.rowcount else standing


def _held(claim: Claim, status: NoticeStatus) -> ColumnElement[bool]:
    """The notice of `claim`, if `claim` may still give it `status`."""
    held = and_(_table.status == NoticeStatus.SENDING, _table.updated_at == claim.at)
    if status is not NoticeStatus.PENDING:
        held = or_(held, _table.status == NoticeStatus.UNCERTAIN)
    return and_(_table.id == claim.notice_id, held)


def _kept_id(provider_id: str | None) -> str | None:
    """The provider's id, unless it is nothing an id could be. It comes from outside."""
    fits = provider_id and provider_id.isprintable() and len(provider_id) <= _PROVIDER_ID_LENGTH
    return provider_id if fits else None


def _notice(row: Row[Any]) -> Notice:
    return Notice(
        id=row.id,
        message_id=row.message_id,
        channel=Channel(row.channel),
        status=NoticeStatus(row.status),
        since=row.updated_at,
        detail=row.detail,
        provider_id=row.provider_id,
    )
