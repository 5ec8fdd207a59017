"""Prometheus: its rules judged by promtool, and a private server on a free loopback port."""

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.polling import eventually
from tests.services.hosts import find_programs, tail, temporary_folder
from tests.services.ports import free_port
from tests.services.processes import ServerProcess

_PROGRAMS = ("prometheus", "promtool")
_READY_SECONDS = 60


def promtool(*arguments: str, cwd: Path | None = None) -> str:
    """What promtool prints. Raises AssertionError with it when promtool is not content."""
    program = find_programs("prometheus", ["usr/bin"], _PROGRAMS)["promtool"]
    done = subprocess.run(
        [program, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Prometheus:
    """A server that scrapes as `scrape_configs` say, and evaluates `rules` every second."""

    def __init__(self, scrape_configs: list[dict[str, Any]], rules: dict[str, Any]) -> None:
        self._programs = find_programs("prometheus", ["usr/bin"], _PROGRAMS)
        self._folder = temporary_folder("prometheus")
        self._log = self._folder / "server.log"
        self._address = f"127.0.0.1:{free_port()}"
        (self._folder / "rules.yaml").write_text(yaml.safe_dump(rules))
        every_second = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config = {"global": every_second, "rule_files": ["rules.yaml"]}
        (self._folder / "prometheus.yaml").write_text(
            yaml.safe_dump({**config, "scrape_configs": scrape_configs})
        )
        self._server: ServerProcess | None = None

    def __enter__(self) -> Self:
        command = [
            self._programs["prometheus"],
            f"--config.file={self._folder}/prometheus.yaml",
            f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address={self._address}",
        ]
        self._server = ServerProcess(command, folder=self._folder, log=self._log)
        eventually(self._is_ready, timeout=_READY_SECONDS, every=0.1)
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._server is not None
        self._server.stop(signal.SIGTERM)
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series that `expression` answers now."""
        found: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return found

    def firing(self) -> set[str]:
        """The names of the alerts that fire now."""
        alerts = self._get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def _get(self, page: str, **query: str) -> dict[str, Any]:
        url = f"http://{self._address}/api/v1/{page}?{urlencode(query)}"
        with urlopen(url, timeout=5) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
        return data

    def _is_ready(self) -> bool:
        assert self._server is not None
        assert self._server.running, tail(self._log)
        try:
            with urlopen(f"http://{self._address}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
