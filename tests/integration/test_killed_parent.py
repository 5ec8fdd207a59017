"""When a parent is killed, its children drain and end; nothing is left that holds a port."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from console.processes import Child
from console.stack import Stack
from shared.relay.topology import STAGES
from tests.polling import eventually

#: A process that runs the sandbox and the relay, as `budkavle demo` does.
_OWNER = """
import sys, time
from pathlib import Path
from console.stack import Stack

with Stack(Path(sys.argv[1])) as stack:
    print(stack.environment["BUDKAVLE_INGEST_BIND"], flush=True)
    time.sleep(600)
"""


def has_ended(pid: int) -> bool:
    """Whether it is gone, or is only waiting for its exit code to be read."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def drained(log_file: Path) -> list[str]:
    """The processes that say in their log that they finished what they had begun."""
    lines = [json.loads(line) for line in log_file.read_text().splitlines() if line[:1] == "{"]
    return sorted(line["stage"] for line in lines if line.get("drained"))


def can_bind(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return False
        return True


def test_stages_drain_when_run_all_is_killed(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        run_all: Child = stack._children[-1]
        pids = [address["pid"] for address in stack.stages.values()]
        assert len(pids) == len(STAGES)
        run_all.process.kill()
        eventually(lambda: all(map(has_ended, pids)), timeout=30)
        assert drained(tmp_path / "console.log") == sorted(STAGES)
        assert can_bind(stack.environment["BUDKAVLE_INGEST_BIND"])


def test_the_relay_and_the_sandbox_end_when_who_started_them_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        address = owner.stdout.readline().strip()
        assert not can_bind(address)
        assert len(processes_in(tmp_path)) == 2 + len(STAGES)  # and the sandbox, and `run all`
        owner.kill()
    eventually(lambda: can_bind(address), timeout=30)
    eventually(lambda: drained(tmp_path / "console.log") == sorted(STAGES), timeout=30)
    eventually(lambda: not processes_in(tmp_path), timeout=30)


def processes_in(folder: Path) -> list[int]:
    """Processes whose database is in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(f"BUDKAVLE_DATABASE_URL=sqlite:///{folder}/") in environment:
            found.append(int(process.name))
    return found


def test_a_child_that_has_no_such_parent_ignores_its_standard_input(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "BUDKAVLE_BROKER_URL": f"sqlite:///{tmp_path}/queues.sqlite3",
        "BUDKAVLE_DATABASE_URL": f"sqlite:///{tmp_path}/budkavle.sqlite3",
        "BUDKAVLE_HEALTH_BIND": "127.0.0.1:0",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "filter"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["ready"] == "filter"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
