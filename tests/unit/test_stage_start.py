"""How a process starts: as it is set, or not at all, with one line that says why."""

import gc
import logging
import runpy
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from shared.base.errors import WrongSettings
from shared.stage.settings import CommonSettings

SECRET = "hunter2-hunter2-hunter2"


@pytest.fixture
def taken() -> Iterator[str]:
    """host:port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield f"127.0.0.1:{holder.getsockname()[1]}"


class Starter:
    """`python -m MODULE`, in this process: what cannot start leaves nothing behind."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, module: str, settings: dict[str, str]) -> tuple[object, str]:
        """The exit code, and the only line that is told."""
        for name, value in settings.items():
            self._monkeypatch.setenv(f"BUDKAVLE_{name}", value)
        self._monkeypatch.setattr("sys.argv", module.split())
        self._monkeypatch.delitem(sys.modules, f"{module.split()[0]}.__main__", raising=False)
        with pytest.raises(SystemExit) as end:
            runpy.run_module(module.split()[0], run_name="__main__")
        captured = self._capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        return end.value.code, line


@pytest.fixture
def start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Starter]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    between_collections = gc.get_threshold()
    monkeypatch.chdir(tmp_path)
    yield Starter(monkeypatch, capsys)
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    gc.unfreeze()
    gc.set_threshold(*between_collections)


WRONG = [
    ("ingest", {"INGEST_BIND": SECRET}, "INGEST_BIND: is not host:port"),
    ("ingest", {"INGEST_CALLERS": SECRET}, "INGEST_CALLERS needs TLS"),
    ("filter", {"DRAIN_SECONDS": SECRET}, "DRAIN_SECONDS: Input should be a valid number"),
    ("filter", {"RETRY_DELAYS": SECRET}, "RETRY_DELAYS: is no list of seconds"),
    ("filter", {"ENVIRONMENT": SECRET}, "ENVIRONMENT: Input should be 'qa' or 'prod'"),
    ("filter", {"SECRETS_DIR": f"/not/{SECRET}"}, "SECRETS_DIR: there is no such folder"),
    ("fetcher", {}, "PLATFORM_URL: Field required"),
    (
        "fetcher",
        {"PLATFORM_URL": "https://platform.example", "FETCHER_CA": f"/not/{SECRET}"},
        "FETCHER_CA, _CERTIFICATE, _CERTIFICATE_KEY: No such file or directory",
    ),
    (
        "composer",
        {"DATABASE_URL": f"mysql://me:{SECRET}@host/x"},
        "DATABASE_URL: is neither sqlite",
    ),
    ("composer", {"COMPOSER_TEMPLATES": "/not/mounted"}, "COMPOSER_TEMPLATES: /not/mounted: no su"),
    ("notifier", {"BROKER_URL": f"amqp://me:{SECRET}@host:port/"}, "BROKER_URL: ValueError"),
    ("notifier", {"SMS_URL": f"https://me:{SECRET}@host/"}, "SMS_URL: holds a login"),
    ("sandbox", {"SANDBOX_INDEX_RESENDS": SECRET}, "SANDBOX_INDEX_RESENDS: Input should be a"),
    ("console queues", {"BROKER_URL": f"{SECRET}://host"}, "BROKER_URL: is neither sqlite"),
]


@pytest.mark.parametrize(("module", "settings", "told"), WRONG)
def test_wrong_settings_are_named_in_one_line_without_their_values(
    module: str, settings: dict[str, str], told: str, start: Starter
) -> None:
    code, line = start(module, settings)
    name = "budkavle" if module.startswith("console") else module
    assert line.startswith(f"{name}: settings: BUDKAVLE_{told}")
    assert SECRET not in line
    assert code == 2


@pytest.mark.parametrize(
    ("module", "setting"),
    [
        ("ingest", "INGEST_BIND"),
        ("filter", "HEALTH_BIND"),
    ],
)
def test_an_address_that_is_taken_is_told_by_its_setting(
    module: str, setting: str, taken: str, start: Starter
) -> None:
    line = f"{module}: settings: BUDKAVLE_{setting}: Address already in use"
    assert start(module, {setting: taken}) == (2, line)


def test_a_file_that_cannot_be_made_is_an_outage(start: Starter) -> None:
    settings = {"DATABASE_URL": "sqlite:////not/mounted/budkavle.sqlite3"}
    assert start("filter", settings) == (
        3,
        "filter: database_unavailable: the file cannot be opened",
    )


def test_any_setting_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "budkavle_broker_url").write_text(f"amqp://me:{SECRET}@host/\n")
    monkeypatch.setenv("BUDKAVLE_SECRETS_DIR", str(tmp_path))
    assert CommonSettings().broker_url.get_secret_value() == f"amqp://me:{SECRET}@host/"


def test_a_secret_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "budkavle_broker_url").write_bytes(b"\xff" + SECRET.encode())
    monkeypatch.setenv("BUDKAVLE_SECRETS_DIR", str(tmp_path))
    with pytest.raises(WrongSettings, match=r'^BUDKAVLE_SECRETS_DIR: .*"broker_url"') as refusal:
        CommonSettings()
    assert SECRET not in str(refusal.value)
