"""What each booking system sent in a period, and what became of it."""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, exists, func, select

from shared.store.engine import Database
from shared.store.tables import inbox_message, notice, trace_step

_message = inbox_message.c
_step = trace_step.c
_ROWS_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Period:
    """Messages, notices and steps from `since` on and before `until`."""

    since: datetime
    until: datetime

    def holds(self, moment: ColumnElement[datetime]) -> ColumnElement[bool]:
        return and_(moment >= self.since, moment < self.until)


@dataclass(slots=True)
class SourceReport:
    """Of one booking system (upper-case HSA-id). What traces tell is 0 where none were kept."""

    source: str
    received: int = 0  # engagements, by the traces
    dropped: dict[str, int] = field(default_factory=dict)  # changes, by "stage reason"
    dead: dict[str, int] = field(default_factory=dict)  # the same
    failed_calls: dict[str, int] = field(default_factory=dict)  # by reason
    messages: dict[str, int] = field(default_factory=dict)  # by kind
    notices: dict[str, int] = field(default_factory=dict)  # by "channel status", or "none"
    p50_seconds: float | None = None  # from ingest to the inbox
    p95_seconds: float | None = None
    unread: int = 0  # messages, so long after they were written


class Reports:
    """All methods raise `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(
        self, period: Period, *, unread_after: timedelta, source: str | None = None
    ) -> list[SourceReport]:
        """By HSA-id; only `source` (upper case), if given."""
        found = _Found()
        with self._opened() as connection:
            _read_steps(connection, _Rows(trace_step, _step.at, period, source), found)
            messages = _Rows(inbox_message, _message.created_at, period, source)
            _read_messages(connection, messages, found)
            _read_notices(connection, messages, found)
            _read_unread(connection, messages, unread_after, found)
            _read_delays(connection, messages, found)
        return [found[name] for name in sorted(found)]

    def unread(
        self, period: Period, *, unread_after: timedelta, source: str | None = None
    ) -> Iterator[str]:
        """The ids of messages written in the period that nobody has read for so long."""
        rows = _Rows(inbox_message, _message.created_at, period, source)
        ids = select(_message.id).where(rows.condition, _is_unread(period, unread_after))
        with self._opened() as connection:
            yield from connection.execute(ids.order_by(_message.created_at)).scalars().all()

    def _opened(self) -> AbstractContextManager[Connection]:
        """On SQLite without the write lock, for which the composer would wait.

        On PostgreSQL a transaction: streamed rows need one.
        """
        server = self._database.has_clock
        return self._database.begin() if server else self._database.reading()


class _Found(dict[str, SourceReport]):
    def __missing__(self, source: str) -> SourceReport:
        self[source] = SourceReport(source)
        return self[source]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one table within a period, of one system or of all."""

    table: Table
    moment: ColumnElement[datetime]
    period: Period
    source: str | None

    @property
    def condition(self) -> ColumnElement[bool]:
        system = self.table.c.source_system
        own = system.is_not(None) if self.source is None else system == self.source
        return and_(self.period.holds(self.moment), own)


def _read_steps(connection: Connection, rows: _Rows, found: _Found) -> None:
    """A step that was done twice, after a redelivery, counts once; a failed call each time."""
    keys = (_step.source_system, _step.stage, _step.outcome, _step.reason)
    changes = func.count(_step.change_id.distinct())
    counted = select(*keys, changes, func.count()).where(rows.condition).group_by(*keys)
    for source, stage, outcome, reason, number, times in connection.execute(counted):
        report = found[source]
        if stage == "filter" and outcome in ("publish", "drop"):
            report.received += number
        if outcome == "drop":
            report.dropped[f"{stage} {reason}"] = number
        elif outcome == "dead":
            report.dead[f"{stage} {reason}"] = number
        elif stage == "fetcher" and outcome == "retry":
            report.failed_calls[reason] = times


def _read_messages(connection: Connection, rows: _Rows, found: _Found) -> None:
    keys = (_message.source_system, _message.kind)
    counted = select(*keys, func.count()).where(rows.condition).group_by(*keys)
    for source, kind, number in connection.execute(counted):
        found[source].messages[kind] = number


def _read_notices(connection: Connection, rows: _Rows, found: _Found) -> None:
    keys = (_message.source_system, notice.c.channel, notice.c.status)
    joined = inbox_message.join(notice, notice.c.message_id == _message.id)
    counted = select(*keys, func.count()).select_from(joined).where(rows.condition)
    for source, channel, status, number in connection.execute(counted.group_by(*keys)):
        found[source].notices[f"{channel} {status}"] = number
    without = ~exists().where(notice.c.message_id == _message.id)
    alone = select(_message.source_system, func.count()).where(rows.condition, without)
    for source, number in connection.execute(alone.group_by(_message.source_system)):
        found[source].notices["none"] = number


def _is_unread(period: Period, unread_after: timedelta) -> ColumnElement[bool]:
    return and_(_message.read.is_(False), _message.created_at < period.until - unread_after)


def _read_unread(
    connection: Connection, rows: _Rows, unread_after: timedelta, found: _Found
) -> None:
    unread = _is_unread(rows.period, unread_after)
    counted = select(_message.source_system, func.count()).where(rows.condition, unread)
    for source, number in connection.execute(counted.group_by(_message.source_system)):
        found[source].unread = number


def _read_delays(connection: Connection, rows: _Rows, found: _Found) -> None:
    """Eight bytes a message in memory, on both databases alike."""
    delays: Mapping[str, array[float]] = defaultdict(lambda: array("d"))
    moments: Any = select(_message.source_system, _message.received_at, _message.created_at)
    streamed = connection.execution_options(yield_per=_ROWS_AT_ONCE)
    for source, received, created in streamed.execute(moments.where(rows.condition)):
        delays[source].append((created - received).total_seconds())
    for source, seconds in delays.items():
        in_order = sorted(seconds)
        found[source].p50_seconds = _percentile(in_order, 0.5)
        found[source].p95_seconds = _percentile(in_order, 0.95)


def _percentile(in_order: list[float], share: float) -> float:
    """The nearest rank."""
    return round(in_order[min(len(in_order) - 1, int(share * len(in_order)))], 3)
