"""Server processes that are gone when we are gone, however we went."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_STOP_SECONDS = 30
_GONE_SECONDS = 10

#: Reads until the pipe from its parent closes, which a SIGKILL of the parent does too.
_GUARD = 'read -r _; kill -9 -"$1" 2>/dev/null; rm -rf "$2"'


class ServerProcess:
    """One server in its own process group, its output in a log file.

    A guard, a shell that waits for our end, kills the group and removes `folder` when this process
    dies without having stopped the server.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        log: Path,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        group: int | None = None,
    ) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env=env,
                cwd=folder,
                user=user,
                group=group,
                extra_groups=None if user is None else (),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, "guard", str(self.pid), str(folder)],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self, stop_signal: signal.Signals) -> None:
        """Ask the server to end; kill it when it has not in 30 s."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self.kill()

    def signal_group(self, number: signal.Signals) -> None:
        """Send it to every process that still is of this server's group."""
        os.killpg(self.pid, number)

    def kill(self) -> None:
        """SIGKILL for the whole group, then for the guard. Harmless when they are gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(_GONE_SECONDS)
        self._guard.kill()
        self._guard.wait(_GONE_SECONDS)
        assert self._guard.stdin is not None
        self._guard.stdin.close()


class LocalServer:
    """A host that is a process of this machine, if it runs."""

    _server: ServerProcess | None = None

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._server is not None
        self._server.signal_group(number)
