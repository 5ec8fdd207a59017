"""The whole relay and the sandbox on this machine, as child processes.

`budkavle demo`, tests, chaos and benchmarks use it.
"""

import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from console.processes import Child, stop_all

_START_SECONDS = 60

#: Settings that shorten waits for the demo. The rules are the same.
IMPATIENT = {
    "BUDKAVLE_DELAY_STEPS": "0.5 1 5 30",
    "BUDKAVLE_RETRY_DELAYS": "1 1 2 2 5 5 5 5",
    "BUDKAVLE_COMPOSER_PAIRING_SECONDS": "2",
    "BUDKAVLE_FETCHER_PATIENCE_SECONDS": "2",
    "BUDKAVLE_NOTIFIER_COLLECT_SECONDS": "0",
    "BUDKAVLE_SANDBOX_INDEX_MERGE_SECONDS": "0.2",
}


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stack:
    """`budkavle sandbox` and `budkavle run all` in `folder`, wired to each other.

    `sandbox` and `stages` hold the addresses of their ready lines; `environment` is what a
    command needs to work on the same queues and database.
    """

    def __init__(
        self,
        folder: Path,
        *,
        broker_url: str | None = None,
        database_url: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.environment = {
            "BUDKAVLE_BROKER_URL": broker_url or f"sqlite:///{folder}/queues.sqlite3",
            "BUDKAVLE_DATABASE_URL": database_url or f"sqlite:///{folder}/budkavle.sqlite3",
            "BUDKAVLE_INGEST_BIND": f"127.0.0.1:{free_port()}",
            "BUDKAVLE_INBOX_BIND": f"127.0.0.1:{free_port()}",
            "BUDKAVLE_ENVIRONMENT": "qa",
            "BUDKAVLE_LOGICAL_ADDRESS": "SE165565594230-1000",
            "BUDKAVLE_LOG_FORMAT": "json",
            "BUDKAVLE_CONSOLE_BIND": "127.0.0.1:0",
            **(settings or {}),
        }
        self.sandbox: dict[str, Any] = {}
        self.stages: dict[str, Any] = {}
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Raises `NotReady`; what started by then runs until `stop`."""
        self.sandbox = self._child("sandbox").ready(_START_SECONDS)
        for setting in ("platform", "smtp", "sms"):
            self.environment[f"BUDKAVLE_{setting.upper()}_URL"] = self.sandbox[setting]
        self.stages = self._child("console run all").ready(_START_SECONDS)["stages"]

    def serve_console(self) -> str:
        """The operator's pages on this stack; their address. Raises `NotReady`."""
        address = self._child("console.web").ready(_START_SECONDS)["url"]
        return str(address)

    def serve_inbox(self) -> str:
        """Start the read API, which the sandbox's inbox page reads; that page's address."""
        self._child("console.inbox_api").ready(_START_SECONDS)
        return str(self.sandbox["inbox"])

    def stop(self) -> list[int]:
        """Exit codes of the stages and the sandbox, in that order: the world ends last."""
        codes = []
        while self._children:
            codes += stop_all([self._children.pop()], timeout=60)
        return codes

    def log_files(self) -> list[Path]:
        return sorted(self.folder.glob("*.log"))

    def _child(self, module: str) -> Child:
        log_file = self.folder / f"{module.split()[0]}.log"
        child = Child(module, self.environment, log_file)
        self._children.append(child)
        return child
