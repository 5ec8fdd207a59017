"""The register of activated booking systems, and the copy of it that each stage caches.

docs/domain.md, "Activation": only notifications of a system that is activated in our environment
are ours. HSA-ids are kept as given and matched in upper case.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from shared.base.clock import Clock, utcnow
from shared.base.errors import Unavailable
from shared.booking.environment import Environment
from shared.booking.identity import hsa_key
from shared.store.engine import Database
from shared.store.statements import insert_if_absent
from shared.store.tables import source_system, source_system_log

#: A change takes effect within 5 s: a copy older than `MAX_AGE` is loaded anew while others use it,
#: and nobody uses one older than `ACTIVE_AGE`.
MAX_AGE = timedelta(seconds=2)
ACTIVE_AGE = timedelta(seconds=5)

_PAUSE = ("paused_by", "paused_at")
#: Columns that adding a system again may change, in the order of the log.
_CHANGEABLE = ("hsa_id", "name", "calls_per_second", "calls_in_flight")


@dataclass(frozen=True, slots=True)
class SourceSystem:
    """One activated booking system in one environment."""

    hsa_id: str
    name: str
    environment: Environment
    calls_per_second: float  # over all our fetchers together
    calls_in_flight: int  # in each fetcher process
    activated_by: str
    activated_at: datetime
    paused_by: str | None = None  # it is not called, and its changes wait
    paused_at: datetime | None = None
    lagged_at: datetime | None = None  # when it was last seen to show a change late

    @property
    def paused(self) -> bool:
        return self.paused_at is not None

    @property
    def key(self) -> str:
        return hsa_key(self.hsa_id)


class Registered(StrEnum):
    """What `SourceRegister.add` did."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class RegisterEntry:
    """A change of the register: `added`, `changed`, `removed`, `paused` or `resumed`."""

    at: datetime
    by: str
    action: str
    hsa_key: str
    environment: Environment
    details: Mapping[str, Any]


class SourceRegister:
    """Activated systems in the database. Every change is appended to `source_system_log`.

    All methods raise `DatabaseUnavailable`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, source: SourceSystem) -> Registered:
        """Activate `source`, or change its name and limits when it is active already.

        `activated_by` and `activated_at` are of this change. The register keeps the first
        activation of an active system, and the change is in the log.
        """
        (done,) = self.add_all([source])
        return done

    def add_all(self, sources: Iterable[SourceSystem]) -> list[Registered]:
        """As `add`, all of them or none."""
        with self._database.begin() as connection:
            return [self._add(connection, source) for source in sources]

    def _add(self, connection: Connection, source: SourceSystem) -> Registered:
        row = _row_of(source)
        if insert_if_absent(connection, source_system, row):
            _log(connection, source, Registered.ADDED, _changeable(row))
            return Registered.ADDED
        return self._change(connection, source, row)

    def remove(self, hsa_id: str, environment: Environment, *, by: str, at: datetime) -> bool:
        """Deactivate a system; False when it was not active there."""
        with self._database.begin() as connection:
            removed = connection.execute(
                delete(source_system)
                .where(_is_system(hsa_key(hsa_id), environment))
                .returning(*source_system.c)
            )
            row = removed.mappings().one_or_none()
            if row is not None:
                source = replace(_source_of(row), activated_by=by, activated_at=at)
                _log(connection, source, "removed", _changeable(row))
            return row is not None

    def pause(self, hsa_id: str, environment: Environment, *, by: str, at: datetime) -> bool:
        """Stop calling a system until `resume`; False when it is not active, or paused."""
        return self._set_pause(hsa_id, environment, by=by, at=at, paused=True)

    def resume(self, hsa_id: str, environment: Environment, *, by: str, at: datetime) -> bool:
        """Call a paused system again; False when it is not active, or not paused."""
        return self._set_pause(hsa_id, environment, by=by, at=at, paused=False)

    def _set_pause(
        self, hsa_id: str, environment: Environment, *, by: str, at: datetime, paused: bool
    ) -> bool:
        pause = {"paused_by": by, "paused_at": at} if paused else dict.fromkeys(_PAUSE)
        otherwise = source_system.c.paused_at.is_(None) == paused
        this = and_(_is_system(hsa_key(hsa_id), environment), otherwise)
        changing = update(source_system).where(this).values(pause).returning(*source_system.c)
        with self._database.begin() as connection:
            row = connection.execute(changing).mappings().one_or_none()
            if row is not None:
                source = replace(_source_of(row), activated_by=by, activated_at=at)
                _log(connection, source, "paused" if paused else "resumed", {})
            return row is not None

    def set_lagged(self, seen: Mapping[str, datetime], environment: Environment) -> None:
        """Store when systems were `seen` (by `hsa_key`) to show a change later than they had told
        the index of it. No entry of the log: nobody has changed the register."""
        lagged_at = source_system.c.lagged_at
        with self._database.begin() as connection:
            for key, at in sorted(seen.items()):
                is_later = or_(lagged_at.is_(None), lagged_at < at)
                connection.execute(
                    update(source_system)
                    .where(_is_system(key, environment), is_later)
                    .values(lagged_at=at)
                )

    def list_all(self, environment: Environment | None = None) -> list[SourceSystem]:
        """Active systems, of one environment or of both, by name."""
        wanted = select(source_system).order_by(source_system.c.name, source_system.c.hsa_key)
        if environment:
            wanted = wanted.where(source_system.c.environment == environment)
        with self._database.reading() as connection:
            return [_source_of(row) for row in connection.execute(wanted).mappings()]

    def snapshot(self, environment: Environment) -> dict[str, SourceSystem]:
        """The active systems of `environment`, by `hsa_key`."""
        return {source.key: source for source in self.list_all(environment)}

    def log(self, hsa_id: str | None = None) -> list[RegisterEntry]:
        """The changes of one system or of all, the latest first."""
        columns = [source_system_log.c[field.name] for field in fields(RegisterEntry)]
        entries = select(*columns).order_by(source_system_log.c.id.desc())
        if hsa_id is not None:
            entries = entries.where(source_system_log.c.hsa_key == hsa_key(hsa_id))
        with self._database.begin() as connection:
            return [RegisterEntry(**row) for row in connection.execute(entries).mappings()]

    def _change(
        self, connection: Connection, source: SourceSystem, row: Mapping[str, Any]
    ) -> Registered:
        this = _is_system(source.key, source.environment)
        former = connection.execute(select(source_system).where(this).with_for_update())
        known = former.mappings().one()
        new = {name: value for name, value in _changeable(row).items() if value != known[name]}
        if not new:
            return Registered.UNCHANGED
        connection.execute(update(source_system).where(this).values(new))
        _log(connection, source, Registered.CHANGED, new)
        return Registered.CHANGED


class CachedRegister:
    """A copy of one environment's register, so that few messages wait for the database.

    A notification of a system that is not active is lost, so "not active" is answered only from a
    copy whose load began after the question was asked. The order is that of a counter of loads,
    within this process: no two clocks are compared. "Active" may come from the copy at hand, which
    is loaded anew after `max_age` and is never older than `ACTIVE_AGE`, unless the database is
    unavailable: then from the last copy, since a system whose patients wait is worth more than a
    deactivation that nobody could have written.

    Thread-safe. One thread loads at a time. Those that need a newer copy than it will bring wait
    for the next load and share that, or its failure.
    """

    def __init__(
        self,
        load: Callable[[], Mapping[str, SourceSystem]],
        max_age: timedelta = MAX_AGE,
        clock: Clock = utcnow,
    ) -> None:
        self._load = load
        self._max_age = max_age
        self._clock = clock
        self._loading = Lock()
        self._begun = 0  # loads begun so far
        self._copy: Mapping[str, SourceSystem] | None = None
        self._copy_number = 0  # which load brought the copy
        self._tried_at = clock()
        self._outage = ""  # why the last load that failed did

    def find(self, hsa_id: str) -> SourceSystem | None:
        """The active system of that HSA-id, whatever its case; as `find_all`."""
        return self.find_all([hsa_id]).get(hsa_key(hsa_id))

    def find_all(self, hsa_ids: Iterable[str]) -> dict[str, SourceSystem]:
        """Those of `hsa_ids` that are active, by `hsa_key`: one load at most for all of them.

        Raises `Unavailable` ("register_unavailable") when one is in no copy and the database
        cannot be asked now, and as long as no copy was ever loaded.
        """
        keys = {hsa_key(hsa_id) for hsa_id in hsa_ids}
        asked_after = self._begun
        copy = self._recent()
        if not keys <= copy.keys():
            copy = self._newer_than(asked_after)
        return {key: copy[key] for key in keys & copy.keys()}

    def ready(self) -> bool:
        """Whether systems that are active are found now."""
        try:
            self._recent()
        except Unavailable:
            return False
        return True

    def _recent(self) -> Mapping[str, SourceSystem]:
        """A copy to find active systems in."""
        if self._copy is None:
            return self._newer_than(self._begun)
        if self._is_older_than(self._max_age):
            must_wait = self._is_older_than(ACTIVE_AGE)
            if self._loading.acquire(blocking=must_wait):
                try:
                    if self._is_older_than(self._max_age):
                        self._refresh()
                finally:
                    self._loading.release()
        return self._copy

    def _newer_than(self, number: int) -> Mapping[str, SourceSystem]:
        """A copy whose load began after the first `number` loads."""
        with self._loading:
            if self._begun <= number:
                self._refresh()
            if self._copy is None or self._copy_number <= number:
                raise Unavailable("register_unavailable", self._outage)
            return self._copy

    def _is_older_than(self, age: timedelta) -> bool:
        """Whether a copy is too old, or of unknown age because the clock was set back."""
        return not timedelta(0) <= self._clock() - self._tried_at < age

    def _refresh(self) -> None:
        """Load, while holding the lock. A failure leaves the copy as it is.

        A copy is as old as the beginning of its load. After a failure the wait counts from its
        end, or a database that lets us wait would be asked without a pause.
        """
        self._begun += 1
        number, began_at = self._begun, self._clock()
        try:
            self._copy = self._load()
        except Unavailable as outage:
            self._outage, self._tried_at = str(outage), self._clock()
        else:
            self._copy_number, self._tried_at = number, began_at


def _is_system(key: str, environment: Environment) -> ColumnElement[bool]:
    return and_(source_system.c.hsa_key == key, source_system.c.environment == environment)


def _row_of(source: SourceSystem) -> dict[str, Any]:
    return {
        "hsa_key": source.key,
        "hsa_id": source.hsa_id.strip(),
        "name": source.name,
        "environment": source.environment,
        "calls_per_second": source.calls_per_second,
        "calls_in_flight": source.calls_in_flight,
        "activated_by": source.activated_by,
        "activated_at": source.activated_at,
    }


def _source_of(row: Mapping[Any, Any]) -> SourceSystem:
    return SourceSystem(**{column: row[column] for column in row if column != "hsa_key"})


def _changeable(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {column: row[column] for column in _CHANGEABLE}


def _log(
    connection: Connection, source: SourceSystem, action: str, details: Mapping[str, Any]
) -> None:
    """Append who did what and when: `source` carries both."""
    connection.execute(
        insert(source_system_log).values(
            hsa_key=source.key,
            environment=source.environment,
            action=action,
            by=source.activated_by,
            at=source.activated_at,
            details=details,
        )
    )
