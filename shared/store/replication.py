"""Whether a failover of the database would lose what was committed."""

from enum import StrEnum

from sqlalchemy import text

from shared.store.engine import Database

_STANDBYS = text("SELECT sync_state FROM pg_stat_replication")
_WAITS_FOR_STANDBYS = frozenset({"on", "remote_write", "remote_apply"})
_SYNCHRONOUS = frozenset({"sync", "quorum"})


class Standbys(StrEnum):
    """The standbys of the connected database."""

    NONE = "none"  # SQLite, one server, or replication below PostgreSQL, as of its disk
    SYNCHRONOUS = "synchronous"  # a commit waits for at least one of them
    ASYNCHRONOUS = "asynchronous"  # a promotion loses the commits of its last moments
    UNKNOWN = "unknown"  # there are some; the role needs `pg_monitor` to see more


def find_standbys(database: Database) -> Standbys:
    """Of the server that takes our writes. Raises `DatabaseUnavailable`."""
    with database.begin() as connection:
        if connection.dialect.name != "postgresql":
            return Standbys.NONE
        states = set(connection.scalars(_STANDBYS))
        commit = connection.scalar(text("SHOW synchronous_commit"))
    if not states:
        return Standbys.NONE
    if states == {None}:
        return Standbys.UNKNOWN
    waits = commit in _WAITS_FOR_STANDBYS and states & _SYNCHRONOUS
    return Standbys.SYNCHRONOUS if waits else Standbys.ASYNCHRONOUS
