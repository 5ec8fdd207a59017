"""A private PostgreSQL: own folder, own port, on loopback, quick because its data may be lost."""

import atexit
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

from tests.services.containers import ContainerHost
from tests.services.hosts import (
    Host,
    NoService,
    choose_host,
    find_programs,
    start_when_ready,
    tail,
    temporary_folder,
)
from tests.services.ports import free_port
from tests.services.processes import ServerProcess

_IMAGE = "postgres:17-alpine"
_BIN = ("usr/lib/postgresql/*/bin", "opt/homebrew/opt/postgresql*/bin")
_USER = "budkavle"
_TOOL_SECONDS = 60
#: PostgreSQL refuses to run as root; the first of these users that exists runs it instead.
_UNPRIVILEGED = ("postgres", "nobody")
#: A crash of the machine may take the data: it is a test's. A crash of the server does not.
QUICK = ("fsync=off", "full_page_writes=off", "max_connections=200")
#: As a production server stores: for benchmarks.
DURABLE = ("max_connections=200",)


class PostgreSQL:
    """A PostgreSQL server. `start`, `stop`, `kill` and `restart` keep its port and its data.

    `options` are settings of the server, as `name=value`.
    """

    def __init__(self, options: Sequence[str] = QUICK) -> None:
        self._host: Host = choose_host(
            container=lambda: ContainerHost(
                _IMAGE,
                inner_port=5432,
                environment={"POSTGRES_USER": _USER, "POSTGRES_HOST_AUTH_METHOD": "trust"},
                command=["postgres", *_as_arguments(options)],
            ),
            local=lambda: _LocalPostgreSQL(options),
        )
        atexit.register(self.close)

    @property
    def port(self) -> int:
        return self._host.port

    @property
    def url(self) -> str:
        """The server's maintenance database, as SQLAlchemy writes it."""
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        return f"postgresql+psycopg://{_USER}@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Return when statements run. Does nothing when it runs."""
        start_when_ready(self._host, self._answers)

    def stop(self) -> None:
        """Clients are cut off at once, as by an operator's restart."""
        self._host.stop()

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        self._host.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop it and remove its data."""
        atexit.unregister(self.close)
        self._host.close()

    def fresh_database(self) -> str:
        """The URL of an empty database that nobody else is given."""
        name = f"t{secrets.token_hex(6)}"
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.database_url(name)

    def drop_database(self, url: str) -> None:
        """Remove it, whoever is still connected."""
        name = sql.Identifier(url.rpartition("/")[2])
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def _execute(self, statement: sql.Composed) -> None:
        with self._connect() as connection:
            connection.execute(statement)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=_USER,
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        )

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class _LocalPostgreSQL:
    """The installed server programs, over a data folder of our own."""

    def __init__(self, options: Sequence[str]) -> None:
        self._options = options
        self._programs = find_programs("postgresql", _BIN, ("initdb", "postgres"))
        self.port = free_port()
        self._folder = temporary_folder("postgresql")
        self._log = self._folder / "server.log"
        self._user = _unprivileged_user()
        if self._user is not None:
            shutil.chown(self._folder, self._user, self._user_group)
        self._server: ServerProcess | None = None

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _user_group(self) -> int | None:
        return None if self._user is None else pwd.getpwnam(self._user).pw_gid

    def start(self) -> None:
        if self._server is not None and self._server.running:
            return
        self.kill()
        if not self._data.exists():
            self.run(
                "initdb", "--no-sync", f"--pgdata={self._data}", f"--username={_USER}",
                "--auth=trust", "--encoding=UTF8", "--no-locale",
            )  # fmt: skip
        options = (*self._options, f"unix_socket_directories={self._folder}")
        self._server = ServerProcess(
            [
                self._programs["postgres"], "-D", str(self._data), "-h", "127.0.0.1",
                "-p", str(self.port), *_as_arguments(options),
            ],
            folder=self._folder,
            log=self._log,
            user=self._user,
            group=self._user_group,
        )  # fmt: skip

    def check(self) -> None:
        if self._server is None or self._server.running:
            return
        log = tail(self._log)
        if "pre-existing shared memory block" not in log.rstrip().rpartition("FATAL")[2]:
            raise NoService(f"PostgreSQL ended by itself:\n{log}")
        self.start()  # children of the one that was killed are about to notice

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(signal.SIGINT)  # "fast": clients are cut off, data is written
            self._server = None

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server = None

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, *command: str) -> str:
        program, *arguments = command
        return subprocess.run(
            [self._programs[program], *arguments],
            cwd=self._folder,
            user=self._user,
            group=self._user_group,
            extra_groups=None if self._user is None else (),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=_TOOL_SECONDS,
            check=True,
        ).stdout


def _as_arguments(options: Sequence[str]) -> list[str]:
    return [word for option in options for word in ("-c", option)]


def _unprivileged_user() -> str | None:
    """The user to become; None: stay who we are."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in _UNPRIVILEGED:
        if name in known:
            return name
    raise NoService(f"PostgreSQL refuses to run as root, and none of {_UNPRIVILEGED} exists")
