"""Where a server runs: in a container, or as a process of this machine."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from tests.polling import eventually

_CHOICE = "BUDKAVLE_TEST_SERVICES"
_POLICY = Path("/usr/sbin/policy-rc.d")
_DENY = "#!/bin/sh\nexit 101\n"


class NoService(RuntimeError):
    """A server that tests need is not here and cannot be brought. The text says what to do."""


class Host(Protocol):
    """One server, wherever it runs, that keeps its port and its data from start to start."""

    port: int

    def start(self) -> None:
        """Begin to start. Does nothing when it runs."""

    def check(self) -> None:
        """Raise `NoService`, with the end of the server's log, when it ended by itself."""

    def stop(self) -> None:
        """Orderly end, data kept."""

    def kill(self) -> None:
        """SIGKILL, data kept."""

    def pause(self) -> None:
        """Stop all its processes where they are."""

    def resume(self) -> None:
        """Let them go on."""

    def close(self) -> None:
        """End it and remove its data."""

    def run(self, *command: str) -> str:
        """What one of the server's own tools prints. Raises `CalledProcessError`."""


def choose_host(*, container: Callable[[], Host], local: Callable[[], Host]) -> Host:
    choice = os.environ.get(_CHOICE) or ("docker" if docker_answers() else "local")
    return container() if choice == "docker" else local()


def docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    asked = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        capture_output=True,
        timeout=20,
        check=False,
    )
    return asked.returncode == 0


def start_when_ready(host: Host, is_ready: Callable[[], bool], *, timeout: float = 90) -> None:
    """Start `host` and return when `is_ready`; `NoService` when it ends or takes longer."""
    host.start()

    def ready_or_dead() -> bool:
        host.check()
        return is_ready()

    eventually(ready_or_dead, timeout=timeout, every=0.1)


def temporary_folder(name: str) -> Path:
    """A new folder that other users may enter: servers run as users of their own."""
    folder = Path(tempfile.mkdtemp(prefix=f"budkavle-{name}-"))
    folder.chmod(0o755)
    return folder


def find_programs(package: str, places: Sequence[str], programs: Sequence[str]) -> dict[str, str]:
    """Where `programs` stand: in the newest of `places` (glob patterns), else in PATH.

    Installs Debian's `package` when they are nowhere and we may. Raises `NoService`.
    """
    found = _look_for(places, programs)
    if found is None:
        with _one_at_a_time():
            if _look_for(places, programs) is None:
                _apt_install(package)
        found = _look_for(places, programs)
    if found is None:
        raise NoService(f"{package} is installed, but {', '.join(programs)} cannot be found")
    return found


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Of the test processes that run beside each other, one installs; the others wait for it."""
    with (Path(tempfile.gettempdir()) / "budkavle-tests-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _look_for(places: Sequence[str], programs: Sequence[str]) -> dict[str, str] | None:
    folders = [str(folder) for place in places for folder in sorted(Path("/").glob(place))]
    path = os.pathsep.join([*reversed(folders), os.environ.get("PATH", os.defpath)])
    found = {program: shutil.which(program, path=path) for program in programs}
    places_of = {program: place for program, place in found.items() if place is not None}
    return places_of if len(places_of) == len(programs) else None


def _apt_install(package: str) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoService(
            f"These tests need {package}. Install it (`sudo apt-get install {package}`; its system"
            " service may be stopped: tests start servers of their own), or start Docker."
        )
    sys.stderr.write(f"Installing {package} with apt-get, for the tests (once)\n")
    with ExitStack() as stack:
        if not _POLICY.exists():  # no system service is to start because a test wants a program
            _POLICY.write_text(_DENY)
            _POLICY.chmod(0o755)
            stack.callback(_POLICY.unlink)
        for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
            _apt_get(command)


def _apt_get(command: Sequence[str]) -> None:
    done = subprocess.run(
        ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *command],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NoService(f"apt-get {' '.join(command)} failed:\n{done.stderr[-2000:]}")


def tail(log: Path, *, characters: int = 3000) -> str:
    return log.read_text(errors="replace")[-characters:] if log.exists() else "(no log)"
