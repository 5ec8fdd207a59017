"""The network between the stages and a server, as `tests.chaos.proxy` makes it."""

import json
import subprocess
import sys
from threading import Lock
from typing import Any

_END_SECONDS = 10


class Network:
    """Leads from `port` to a server, or to whichever of several takes the connection.

    Each method returns when it is done. `port`: 0: any free one.
    """

    def __init__(self, *target_ports: int, port: int = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.proxy", *map(str, (port, *target_ports))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._guard = Lock()
        self.port: int = self._answer()

    def cut(self) -> int:
        """Break all connections; how many there were."""
        number: int = self._tell("cut")
        return number

    def silence(self) -> None:
        """Let nothing through, and keep the connections open: a cable that was pulled."""
        self._tell("silence")

    def resume(self) -> None:
        self._tell("resume")

    def close(self) -> None:
        """The end of its input is the end of the proxy."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(_END_SECONDS)

    def _tell(self, word: str) -> Any:
        assert self._process.stdin is not None
        with self._guard:
            self._process.stdin.write(word + "\n")
            self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())
