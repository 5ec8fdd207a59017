"""A PostgreSQL primary and its standby, which one URL names both."""

import time
from typing import Self

from tests.chaos.network import Network
from tests.services import PostgreSQL, Standby

_NAME = "standby"


class Pair:
    """`synchronous`: no commit is confirmed before the standby has it."""

    def __init__(self, *, synchronous: bool) -> None:
        self._synchronous = synchronous
        self._primary = PostgreSQL(local=True)

    def __enter__(self) -> Self:
        self._primary.start()
        self._wire = Network(self._primary.port)
        self._standby = Standby(self._wire.port, _NAME)
        self._standby.start()
        if self._synchronous:
            self._primary.wait_for_standby(_NAME)
        return self

    def __exit__(self, *_error: object) -> None:
        self._standby.close()
        self._wire.close()
        self._primary.close()

    def fresh_database(self) -> str:
        """Its URL names both servers, as SQLAlchemy has it."""
        name = self._primary.fresh_database().rpartition("/")[2]
        hosts = "&".join(
            f"host=127.0.0.1:{server.port}" for server in (self._primary, self._standby)
        )
        return f"postgresql+psycopg://budkavle@/{name}?{hosts}&target_session_attrs=read-write"

    @property
    def version(self) -> str:
        """Of both, and whether a commit waits for the standby."""
        kind = "synchronous" if self._synchronous else "asynchronous"
        return f"PostgreSQL {self._standby.version}, standby {kind}"

    def fail_over(self, *, behind: float, after: float) -> None:
        """Kill the primary; promote the standby `after` so many seconds.

        `behind`: for how many seconds before it the standby gets nothing. Synchronous, nothing is
        confirmed then.
        """
        if behind:
            self._wire.silence()
            time.sleep(behind)
        self._primary.kill()
        time.sleep(after)
        self._standby.promote()
