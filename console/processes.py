"""Runs our own programs as child processes: starts them, waits for the ready line, stops them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from threading import Thread
from typing import Any

from shared.stage.parent import PARENT_ON_STDIN

_GRACE_SECONDS = 10


class NotReady(Exception):
    """A child ended, or timed out, before it printed its ready line."""


class Child:
    """`python -m MODULE` with `environment` on top of ours.

    Its logs go to `log_file`, or to our own standard error. It leads a process group of its own,
    so that Ctrl-C reaches it through us and in our order. When we are killed, it drains and ends.
    """

    def __init__(
        self, module: str, environment: Mapping[str, str], log_file: Path | None = None
    ) -> None:
        self.module = module
        self._ready: Future[dict[str, Any]] = Future()
        self._log = log_file.open("ab") if log_file else None
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own modules
            [sys.executable, "-m", *module.split()],
            env={**os.environ, **environment, PARENT_ON_STDIN: "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        Thread(target=self._read_output, name=f"read-{module}", daemon=True).start()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def is_ready(self) -> bool:
        """Whether it has printed its ready line. Raises `NotReady` when it ended before."""
        return self._ready.done() and bool(self._ready.result())

    def ready(self, timeout: float) -> dict[str, Any]:
        """The addresses in its ready line. Raises `NotReady` after `timeout` seconds."""
        try:
            return self._ready.result(timeout)
        except FutureTimeout:
            raise NotReady(f"{self.module} was not ready within {timeout:g} s") from None

    def terminate(self) -> None:
        if self.alive:
            self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float) -> int:
        """Its exit code; killed when it does not end within `timeout` seconds."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        for file in (self.process.stdin, self._log):
            if file:
                file.close()
        return code

    def stop(self, timeout: float = _GRACE_SECONDS) -> int:
        self.terminate()
        return self.wait(timeout)

    def _read_output(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - it was opened as a pipe
        for line in self.process.stdout:
            if not self._ready.done():
                self._ready.set_result(json.loads(line))
        if not self._ready.done():
            self._ready.set_exception(NotReady(self._end_before_ready()))

    def _end_before_ready(self) -> str:
        code = self.process.wait()
        lines = Path(self._log.name).read_text(errors="replace").split("\n") if self._log else []
        said = next((f": {line}" for line in reversed(lines) if line), "")
        return f"{self.module} ended with exit code {code} before it was ready{said}"


def stop_all(children: list[Child], timeout: float = _GRACE_SECONDS) -> list[int]:
    """Send SIGTERM to all, then wait for each; their exit codes."""
    for child in children:
        child.terminate()
    return [child.wait(timeout) for child in children]
