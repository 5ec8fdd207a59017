"""systemd takes the units, and gives each process no more than it needs.

They are read by `systemd-analyze`, of a folder that looks like the machine they are for.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from shared.relay.topology import STAGES
from shared.stage.settings import CommonSettings
from tests.deploy.commands import assert_command_exists
from tests.services.hosts import find_programs

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
COMMAND = "/opt/budkavle/.venv/bin/budkavle"
#: From 0 to 100, of `systemd-analyze security`: below 20 it says "OK", and 96 without any option.
_MOST_EXPOSED = 20


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = find_programs("systemd", ["usr/bin"], ["systemd-analyze"])["systemd-analyze"]
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def installed(folder: Path) -> Path:
    """The units as on a machine: those with an `@` for one instance, the command as a file."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace(COMMAND, "/bin/true")
        (folder / unit.name).write_text(text)
    shutil.copy(folder / "budkavle@.service", folder / "budkavle@notifier-2.service")
    return folder


def verify(folder: Path, *units: str) -> str:
    """What systemd has to say against these units; "" when nothing."""
    done = analyze("verify", "--man=no", "--recursive-errors=no", *(f"{folder}/{u}" for u in units))
    return done.stderr.strip() or ("" if done.returncode == 0 else "refused")


@pytest.mark.parametrize(
    "unit", [*SERVICES, "budkavle@notifier-2.service", "budkavle.target", "budkavle-purge.timer"]
)
def test_systemd_has_nothing_against_a_unit(unit: str, tmp_path: Path) -> None:
    assert verify(installed(tmp_path), unit) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("RestartSec=", "RestartSecs="),
        ("TimeoutStopSec=40", "TimeoutStopSec=fourty"),
        ("ProtectSystem=strict", "ProtectSystem=stricter"),
        ("SystemCallFilter=@system-service", "SystemCallFilter=@system-services"),
        ("/bin/sh -c", "/bin/no-such-shell -c"),
    ],
)
def test_systemd_objects_to_mistakes(right: str, wrong: str, tmp_path: Path) -> None:
    unit = installed(tmp_path) / "budkavle@notifier-2.service"
    text = unit.read_text()
    assert right in text
    unit.write_text(text.replace(right, wrong))
    assert wrong.partition("=")[2].removesuffix(" -c") in verify(tmp_path, unit.name)


@pytest.mark.parametrize("unit", SERVICES)
def test_a_process_may_do_little(unit: str) -> None:
    analyzed = analyze("security", "--offline=yes", f"--threshold={_MOST_EXPOSED}", UNITS / unit)
    assert analyzed.returncode == 0, analyzed.stdout


@pytest.mark.parametrize(
    ("instance", "stage"), [*((s, s) for s in STAGES), ("notifier-2", "notifier")]
)
def test_an_instance_runs_its_stage(instance: str, stage: str, tmp_path: Path) -> None:
    start = re.search(r"^ExecStart=(.+)$", (UNITS / "budkavle@.service").read_text(), re.MULTILINE)
    assert start
    shown = tmp_path / "budkavle"
    shown.write_text('#!/bin/sh\necho "$@"\n')
    shown.chmod(0o755)
    line = start[1].replace("%i", instance).replace("%%", "%").replace("$$", "$")
    done = subprocess.run(
        line.replace(COMMAND, str(shown)), shell=True, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert done.stdout.split() == ["run", stage]


def test_the_target_starts_setup_and_every_stage() -> None:
    text = (UNITS / "budkavle.target").read_text()
    wanted = set(re.findall(r"[\w@-]+\.service", text))
    assert wanted == {"budkavle-setup.service", *(f"budkavle@{stage}.service" for stage in STAGES)}


def test_units_run_commands_we_have_and_let_them_drain() -> None:
    for unit in SERVICES:
        text = (UNITS / unit).read_text()
        if words := re.search(rf"^ExecStart={COMMAND} (.+)$", text, re.MULTILINE):
            assert_command_exists(words[1].split())
        for seconds in re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE):
            assert int(seconds) > CommonSettings.model_fields["drain_seconds"].default + 5


def test_processes_can_still_say_when_they_started() -> None:
    for unit in SERVICES:
        assert not re.search(r"^ProcSubset=", (UNITS / unit).read_text(), re.MULTILINE)


def test_services_are_confined_alike() -> None:
    confined = {json.dumps(confinement((UNITS / unit).read_text())) for unit in SERVICES}
    assert len(confined) == 1


def confinement(unit: str) -> list[str]:
    return unit[unit.index("NoNewPrivileges=") :].partition("\n[")[0].split()
