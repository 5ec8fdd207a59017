"""Which notice was sent, and how far it came: the table `notice`.

A notice is sent by whoever holds its claim. A claim is taken in one atomic statement that is
committed before anything is sent, so of several workers one sends; and what is found claimed is
never claimed again, so a crash in the midst of sending sends nothing twice.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Update,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from shared.base.clock import Clock, utcnow
from shared.base.ids import new_id
from shared.booking.notices import Channel, Claim, Notice, NoticeStatus
from shared.store.engine import Database, DatabaseUnavailable
from shared.store.statements import insert_if_absent
from shared.store.tables import notice

_table = notice.c
_DETAIL_LENGTH = 200
_PROVIDER_ID_LENGTH = 100

#: What a provider's report may still change: it knows more than any of these.
_REPORTABLE = (NoticeStatus.SENDING, NoticeStatus.ACCEPTED, NoticeStatus.UNCERTAIN)

#: A notice whose claim nobody has taken over. Built once: that costs more than running it.
_CLAIMED = and_(_table.status == NoticeStatus.SENDING, _table.updated_at == bindparam("claimed_at"))
_THIS = _table.id == bindparam("notice_id")
_GIVE_BACK = update(notice).where(_THIS, _CLAIMED)
_CONCLUDE = update(notice).where(_THIS, or_(_CLAIMED, _table.status == NoticeStatus.UNCERTAIN))


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
        self._patiently = Retrying(
            retry=retry_if_exception_type(DatabaseUnavailable),
            stop=stop_after_delay(patience),
            wait=wait_random(0.1, 1),
            reraise=True,
        )

    def claim(self, message_id: str, channel: Channel) -> Claim | Notice:
        """The right to send this notice; or how it stands, when it is not to be sent (again)."""
        now = self._clock()
        with self._database.single() as connection:
            first = _claim_first(connection, message_id, channel, now)
        return first or self._claim_again(message_id, channel, now)

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
        change = _GIVE_BACK if status is NoticeStatus.PENDING else _CONCLUDE
        values = {
            "notice_id": claim.notice_id,
            "claimed_at": claim.at,
            "status": status,
            "detail": detail[:_DETAIL_LENGTH],
            "provider_id": _kept_id(provider_id),
            "updated_at": self._clock(),
        }
        self._patiently(self._write, change, values)

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
        """Write down a provider's delivery report; whether it changed anything.

        It changes the SMS notice of that id only if it names the provider's id of it. Where that
        never came to be known, because the provider's answer was lost, the named one is kept;
        unless it is another notice's.
        """
        named = _kept_id(provider_id)
        if named is None or named == notice_id:
            return False
        reported = and_(
            _table.id == notice_id,
            _table.channel == Channel.SMS,
            _table.status.in_(_REPORTABLE),
            or_(_table.provider_id == named, and_(_table.provider_id.is_(None), ~_taken(named))),
        )
        values = {"status": status, "provider_id": named, "updated_at": self._clock()}
        with self._database.begin() as connection:
            return connection.execute(update(notice).where(reported).values(values)).rowcount == 1

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

    def _write(self, change: Update, values: Mapping[str, Any]) -> None:
        with self._database.single() as connection:
            connection.execute(change, values)

    def _claim_again(self, message_id: str, channel: Channel, now: datetime) -> Claim | Notice:
        """The claim of a notice that was given back; or how it stands."""
        this = and_(_table.message_id == message_id, _table.channel == channel)
        pending = update(notice).where(this, _table.status == NoticeStatus.PENDING)
        with self._database.begin() as connection:
            claimed = connection.execute(
                pending.values(status=NoticeStatus.SENDING, updated_at=now)
            )
            standing = _notice(connection.execute(select(notice).where(this)).one())
        return Claim(standing.id, now) if claimed.rowcount else standing


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


def _taken(provider_id: str) -> ColumnElement[bool]:
    """Whether some notice has this id of the provider's."""
    other = notice.alias()
    return select(other.c.id).where(other.c.provider_id == provider_id).exists()


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
