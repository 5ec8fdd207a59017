"""A private PostgreSQL: own folder, own port, on loopback, quick because its data may be lost."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from tests.services.containers import ContainerHost
from tests.services.hosts import (
    Host,
    NoService,
    choose_host,
    find_programs,
    tail,
    temporary_folder,
)
from tests.services.ports import free_port
from tests.services.processes import LocalServer, ServerProcess
from tests.services.server import Server

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


class PostgreSQL(Server):
    """`options` are settings of the server, as `name=value`. `local`: never in a container."""

    def __init__(self, options: Sequence[str] = QUICK, *, local: bool = False) -> None:
        host: Host = (
            _LocalPostgreSQL(options)
            if local
            else choose_host(
                container=lambda: ContainerHost(
                    _IMAGE,
                    inner_port=5432,
                    environment={"POSTGRES_USER": _USER, "POSTGRES_HOST_AUTH_METHOD": "trust"},
                    command=["postgres", *_as_arguments(options)],
                ),
                local=lambda: _LocalPostgreSQL(options),
            )
        )
        super().__init__(host)

    @property
    def url(self) -> str:
        """The server's maintenance database, as SQLAlchemy writes it."""
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        return f"postgresql+psycopg://{_USER}@127.0.0.1:{self.port}/{name}"

    def fresh_database(self) -> str:
        """The URL of an empty database that nobody else is given."""
        name = f"t{secrets.token_hex(6)}"
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.database_url(name)

    def drop_database(self, url: str) -> None:
        """Remove it, whoever is still connected."""
        name = sql.Identifier(url.rpartition("/")[2])
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def wait_for_standby(self, name: str) -> None:
        """Confirm no commit before the standby `name` has it, from now on. "": wait for none."""
        self.set("synchronous_standby_names", name)

    def set(self, setting: str, value: str) -> None:
        """Change a setting of the running server, for good."""
        change = sql.SQL("ALTER SYSTEM SET {} = {}")
        self._execute(change.format(sql.Identifier(setting), sql.Literal(value)))
        self._execute(sql.SQL("SELECT pg_reload_conf()"))

    def make_role(self, name: str) -> None:
        """One that may log in and nothing else."""
        self._execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))

    @property
    def version(self) -> str:
        with self._connect() as connection:
            number = connection.info.server_version
        return f"{number // 10000}.{number % 10000}"

    def _execute(self, statement: sql.Composable) -> None:
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


class Standby(PostgreSQL):
    """A hot standby that follows the primary at `primary_port` of this machine.

    Its `name` is what the primary knows it by.
    """

    def __init__(self, primary_port: int, name: str, options: Sequence[str] = QUICK) -> None:
        Server.__init__(self, _LocalPostgreSQL((*options, f"cluster_name={name}"), primary_port))

    def promote(self) -> None:
        """Return when it takes writes."""
        self._execute(sql.SQL("SELECT pg_promote(true, 60)"))


class _LocalPostgreSQL(LocalServer):
    """The installed server programs, over a data folder of our own."""

    def __init__(self, options: Sequence[str], copied_from: int = 0) -> None:
        self._options = options
        self._copied_from = copied_from  # the port of a primary
        programs = ("initdb", "postgres", "pg_basebackup")
        self._programs = find_programs("postgresql", _BIN, programs)
        self.port = free_port()
        self._folder = temporary_folder("postgresql")
        self._log = self._folder / "server.log"
        self._user = _unprivileged_user()
        if self._user is not None:
            shutil.chown(self._folder, self._user, self._user_group)

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
            self._make_data()
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

    def _make_data(self) -> None:
        if self._copied_from:
            self.run(
                "pg_basebackup", f"--pgdata={self._data}", "--no-sync", "--checkpoint=fast",
                "--write-recovery-conf", "--wal-method=stream", "--host=127.0.0.1",
                f"--port={self._copied_from}", f"--username={_USER}",
            )  # fmt: skip
        else:
            self.run(
                "initdb", "--no-sync", f"--pgdata={self._data}", f"--username={_USER}",
                "--auth=trust", "--encoding=UTF8", "--no-locale",
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
