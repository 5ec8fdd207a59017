"""Which notice was sent, and how far it came: the table `notice`.

A notice is sent by whoever holds its claim. A claim is taken in one atomic statement that is
committed before anything is sent, so of several workers one sends; and what is found claimed is
never claimed again, so a crash in the midst of sending sends nothing twice. One claim takes all
notices that wait to go to one patient on one channel: they go out as one.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    TextClause,
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
from shared.booking.notices import Channel, Claim, Ending, Notice, NoticeStatus, Wanted
from shared.store.engine import Database, DatabaseUnavailable
from shared.store.notice_statements import claim_all, end_all, register_all
from shared.store.statements import among, insert_if_absent, rows_json
from shared.store.tables import notice

_table = notice.c
_DETAIL_LENGTH = 200
_PROVIDER_ID_LENGTH = 100

#: What a provider's report may still change: it knows more than any of these.
_REPORTABLE = (NoticeStatus.SENDING, NoticeStatus.ACCEPTED, NoticeStatus.UNCERTAIN)


def _waits(row: Any) -> ColumnElement[bool]:
    """Whether a notice is pending, said so that no database looks for it by its status.

    PostgreSQL did: then a claim after quiet hours reads everything that waits, of all patients.
    """
    return func.lower(row.status) == NoticeStatus.PENDING


# Statements are built once: that costs more than running them.
_IS_SENDING = _table.status == NoticeStatus.SENDING
_GIVE_BACK = update(notice).where(
    among(_table.id, "of_notices"), _table.claim_id == bindparam("this_claim"), _IS_SENDING
)
_own = notice.alias()
_STANDING = select(notice).where(among(_table.message_id, "of_messages"))


class NoticeStore:
    """All methods raise `DatabaseUnavailable`.

    `patience`: how long `record_result` tries again by itself when the database is away. The
    provider has answered by then, and the answer is lost with the process.
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

    def register(self, message_id: str, channel: Channel, patient: str) -> None:
        """As `register_all`, of one."""
        self.register_all([Wanted(message_id, channel, patient)])

    def register_all(self, several: Sequence[Wanted]) -> None:
        """Write down that these notices are to be sent, unless they are known already."""
        rows = [{"id": new_id(), **_names(wanted)} for wanted in several]
        self._execute(register_all, rows, self._clock())

    def suppress(self, message_id: str, channel: Channel, patient: str) -> bool:
        """Write down that this notice is not sent, its address having bounced; whether it is news.

        One that was sent already stays as it is.
        """
        now = self._clock()
        row = _new_row(message_id, channel, patient, NoticeStatus.SUPPRESSED, now)
        waiting = and_(_table.message_id == message_id, _table.channel == channel, _waits(_table))
        values = {"status": NoticeStatus.SUPPRESSED, "updated_at": now}
        with self._database.begin() as connection:
            if insert_if_absent(connection, notice, row):
                return True
            return bool(connection.execute(update(notice).where(waiting).values(values)).rowcount)

    def claim(self, message_id: str, channel: Channel, patient: str) -> Claim | Notice:
        """As `claim_all`, of one."""
        [found] = self.claim_all([Wanted(message_id, channel, patient)])
        return found

    def claim_all(self, several: Sequence[Wanted]) -> list[Claim | Notice]:
        """For each, the right to send it and all others that wait to go to its patient on its
        channel, of which no two may have the same.

        Or how it stands, when it is not to be sent (again). One that was never registered is now.
        """
        found: list[Claim | Notice | None] = [*self._claim_all(several)]
        left = [wanted for wanted, claim in zip(several, found, strict=True) if claim is None]
        if not left:
            return [claim for claim in found if claim is not None]
        rest = iter(self._standing_or_claimed(left))
        return [claim or next(rest) for claim in found]

    def _standing_or_claimed(self, several: Sequence[Wanted]) -> list[Claim | Notice]:
        standing = self._standing([wanted.message_id for wanted in several])
        unknown = [wanted for wanted in several if wanted[:2] not in standing]
        if unknown:
            self.register_all(unknown)
        again = iter(self.claim_all(unknown) if unknown else ())
        return [standing.get(wanted[:2]) or next(again) for wanted in several]

    def record_result(
        self,
        claim: Claim,
        status: NoticeStatus,
        *,
        detail: str = "",
        provider_id: str | None = None,
    ) -> None:
        """As `record_results`, of one."""
        self.record_results([Ending(claim, status, detail, provider_id)])

    def record_results(self, several: Sequence[Ending]) -> None:
        """Write down what came of claims; `pending` gives one back.

        Does nothing about a claim that has passed on. A notice that was taken for uncertain
        meanwhile, because its sender was so slow, takes the sender's word, but is not given back:
        whoever found it uncertain has reported it.
        """
        rows = [
            {
                "notice_id": ending.claim.notice_id,
                "claim_id": ending.claim.id,
                "status": str(ending.status),
                "detail": ending.detail[:_DETAIL_LENGTH],
                "provider_id": _kept_id(ending.provider_id),
            }
            for ending in several
        ]
        self._patiently(self._execute, end_all, rows, self._clock())

    def doubt(self, stale: Notice, detail: str) -> int:
        """Take the notices of a claim that is `sending` for too long for uncertain; how many."""
        values = {"status": NoticeStatus.UNCERTAIN, "detail": detail, "updated_at": self._clock()}
        same_patient = _table.recipient == _of_notice(stale.id, "recipient")
        still = and_(same_patient, _table.claim_id == stale.claim_id, _IS_SENDING)
        with self._database.begin() as connection:
            return connection.execute(update(notice).where(still).values(values)).rowcount

    def withdraw(
        self, message_id: str, channels: Collection[Channel], detail: str
    ) -> Collection[Channel]:
        """End the notices about a message that wait, on these channels; on which there was one."""
        waiting = and_(
            _table.message_id == message_id,
            _table.channel.in_(channels),
            _waits(_table),
        )
        values = {"status": NoticeStatus.WITHDRAWN, "detail": detail, "updated_at": self._clock()}
        change = update(notice).where(waiting).values(values).returning(_table.channel)
        with self._database.begin() as connection:
            return [Channel(row.channel) for row in connection.execute(change)]

    def report(self, notice_id: str, status: NoticeStatus, provider_id: str) -> int:
        """Write down a provider's delivery report; how many notices it changed.

        It changes the SMS notices that were sent as one with that one, and only if it names the
        provider's id of the SMS. Where that never came to be known, because the provider's answer
        was lost, the named one is kept; unless it is another SMS's.
        """
        named = _kept_id(provider_id)
        if named is None or named == notice_id:
            return 0
        reported = and_(
            _sent_as_one_with(notice_id),
            _table.channel == Channel.SMS,
            _table.status.in_(_REPORTABLE),
            or_(_table.provider_id == named, and_(_table.provider_id.is_(None), ~_taken(named))),
        )
        values = {"status": status, "provider_id": named, "updated_at": self._clock()}
        with self._database.begin() as connection:
            return connection.execute(update(notice).where(reported).values(values)).rowcount

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

    def _claim_all(self, several: Sequence[Wanted]) -> Iterator[Claim | None]:
        now = self._clock()
        claims = {new_id(): wanted for wanted in several}
        rows = [{"claim_id": claim, **_names(wanted)} for claim, wanted in claims.items()]
        ids: dict[str, dict[str, str]] = {claim: {} for claim in claims}
        for message_id, notice_id, claim in self._execute(claim_all, rows, now):
            ids[claim][message_id] = notice_id
        for claim, wanted in claims.items():
            own = ids[claim].get(wanted.message_id)
            if own is None and ids[claim]:  # another took ours in the same moment
                self._give_back(claim, list(ids[claim].values()), now)
            yield Claim(claim, own, now, len(ids[claim])) if own else None

    def _give_back(self, claim_id: str, notice_ids: Sequence[str], now: datetime) -> None:
        """The others of that claim have orders of their own."""
        values = {"status": NoticeStatus.PENDING, "updated_at": now}
        values |= {"of_notices": notice_ids, "this_claim": claim_id}
        self._patiently(self._write, _GIVE_BACK, values)

    def _standing(self, message_ids: Sequence[str]) -> dict[tuple[str, Channel], Notice]:
        with self._database.single() as connection:
            rows = connection.execute(_STANDING, {"of_messages": message_ids}).all()
        return {(row.message_id, Channel(row.channel)): _notice(row) for row in rows}

    def _execute(
        self,
        statement: Callable[[str], TextClause],
        rows: Sequence[Mapping[str, str | None]],
        now: datetime,
    ) -> Sequence[Any]:
        """The rows that `statement` returns."""
        values = {"rows": rows_json(rows), "now": now}
        with self._database.single() as connection:
            done = connection.execute(statement(connection.dialect.name), values)
            return done.all() if done.returns_rows else ()

    def _write(self, change: Update, values: Mapping[str, Any]) -> None:
        with self._database.single() as connection:
            connection.execute(change, values)


def _names(wanted: Wanted) -> dict[str, str]:
    return {
        "message_id": wanted.message_id,
        "channel": str(wanted.channel),
        "recipient": _recipient(wanted.patient),
    }


def _new_row(
    message_id: str, channel: Channel, patient: str, status: NoticeStatus, now: datetime
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "message_id": message_id,
        "channel": channel,
        "recipient": _recipient(patient),
        "status": status,
        "claim_id": None,
        "detail": "",
        "created_at": now,
        "updated_at": now,
    }


def _recipient(patient: str) -> str:
    """The patient, as the table has it: nobody reads a person number there."""
    return hashlib.sha256(patient.encode()).hexdigest()


def _sent_as_one_with(notice_id: str) -> ColumnElement[bool]:
    """Whether a notice has the claim of that one. Found by the patient: claims have no index."""
    same_patient = _table.recipient == _of_notice(notice_id, "recipient")
    return and_(same_patient, _table.claim_id == _of_notice(notice_id, "claim_id"))


def _of_notice(notice_id: str, column: str) -> ColumnElement[Any]:
    return select(_own.c[column]).where(_own.c.id == notice_id).scalar_subquery()


def _taken(provider_id: str) -> ColumnElement[bool]:
    """Whether some notice has this id of the provider's."""
    return select(_own.c.id).where(_own.c.provider_id == provider_id).exists()


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
        claim_id=row.claim_id,
    )
