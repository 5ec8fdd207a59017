"""The operator's command in this process, on an embedded pair of its own."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from console.__main__ import app


class CommandLine:
    """`budkavle` with its queues and database in `folder`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broker_url = f"sqlite:///{folder / 'queues.sqlite3'}"
        self.database_url = f"sqlite:///{folder / 'budkavle.sqlite3'}"
        self._monkeypatch = monkeypatch
        self.set("BROKER_URL", self.broker_url)
        self.set("DATABASE_URL", self.database_url)
        monkeypatch.setenv("COLUMNS", "200")
        # Loggers would keep the runner's standard error, which is gone after the command.
        monkeypatch.setattr("console.opening.configure_logging", lambda *_: None)

    def set(self, name: str, value: str) -> None:
        self._monkeypatch.setenv(f"BUDKAVLE_{name}", value)

    def run(self, *arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, arguments, input=typed, catch_exceptions=False)

    def out(self, *arguments: str, typed: str | None = None) -> str:
        """What a command that must succeed prints."""
        result = self.run(*arguments, typed=typed)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.out(*arguments, "--json"))

    def json_of_any(self, *arguments: str) -> Any:
        """The same of a command whose exit code is a finding."""
        return json.loads(self.run(*arguments, "--json").stdout)


@contextmanager
def only_errors_logged() -> Iterator[None]:
    """A publisher logs that it connects, which is not to stand among what a command prints."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.reset_defaults()
