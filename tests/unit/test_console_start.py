"""The command starts quickly: it imports what it needs. Counted, not timed."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from console.__main__ import _COMMANDS, app

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
#: Prints which modules there are when a command has ended.
_RUN = """
import json, sys
from console.__main__ import main

sys.argv = ["budkavle", *sys.argv[1:]]
try:
    main()
except SystemExit:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
#: Prints which modules there are when the commands have been looked up.
_LOOK_UP = """
import json, sys
import typer.main
from console.__main__ import app

commands = typer.main.get_group(app).commands
for name in sys.argv[1:]:
    commands[name]
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
_HEAVY = {"alembic", "pika", "prometheus_client", "pydantic", "sqlalchemy", "structlog", "zeep"}


def modules_after(script: str, *arguments: str) -> set[str]:
    command = [sys.executable, "-c", script, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return set(json.loads(run.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [("--help",), ("--version",)])
def test_help_imports_no_command_and_no_library_behind_one(arguments: tuple[str]) -> None:
    modules = modules_after(_RUN, *arguments)
    assert not modules & _HEAVY
    assert len(modules) < 400  # 1,130 when it imported every command


@pytest.mark.parametrize("command", ["queues", "dead", "settings"])
def test_commands_about_queues_do_not_import_the_database(command: str) -> None:
    modules = modules_after(_RUN, command, "--help")
    assert "pydantic" in modules
    assert not modules & {"alembic", "sqlalchemy"}


@pytest.mark.parametrize("name", _COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    command = typer.main.get_group(app).commands[name]
    assert (command.help or "").split("\n\n")[0].replace("\n", " ") == _COMMANDS[name].help


def test_every_module_that_registers_commands_is_listed() -> None:
    registering = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "console").rglob("*.py")
        if "def register(app" in path.read_text()
    }
    assert registering == {known.module for known in _COMMANDS.values()}


def test_no_command_is_registered_beside_those_that_are_listed() -> None:
    everything = typer.Typer()
    for known in _COMMANDS.values():
        import_module(known.module).register(everything)
    assert set(typer.main.get_group(everything).commands) == set(_COMMANDS)


@pytest.mark.parametrize("command", ["sandbox", "demo"])
def test_without_its_extra_a_command_says_what_to_install(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.lazy.find_spec", lambda _package: None)
    result = CliRunner().invoke(app, [command])
    assert result.exit_code == 3
    assert "pip install 'budkavle[sandbox]'" in result.stderr
    assert CliRunner().invoke(app, ["settings"]).exit_code == 0


def test_only_the_commands_of_the_extra_import_its_packages() -> None:
    others = [name for name, known in _COMMANDS.items() if not known.extra]
    modules = modules_after(_LOOK_UP, *others)
    assert {"console.preview", "console.sources"} <= modules
    assert not modules & {"aiosmtpd", "requests"}
