"""`/healthz` (the process lives), `/readyz` (it can do its work) and `/metrics`, over HTTP."""

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.base.addresses import split_bind

Checks = Mapping[str, Callable[[], bool]]


def readiness(checks: Checks) -> tuple[bool, dict[str, bool]]:
    """Whether all checks pass, and each one's answer."""
    answers = {name: bool(check()) for name, check in checks.items()}
    return all(answers.values()), answers


class HealthServer:
    """Serves health and metrics beside a stage, on a thread of its own."""

    def __init__(self, bind: str, checks: Checks) -> None:
        self._server = _Server(split_bind(bind), checks)
        self._thread = Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], checks: Checks) -> None:
        self.checks = checks
        super().__init__(address, _Requests)


class _Requests(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/healthz":
                self._answer(200, "text/plain", b"ok\n")
            case "/readyz":
                ready, answers = readiness(self.server.checks)
                self._answer(
                    200 if ready else 503, "application/json", json.dumps(answers).encode()
                )
            case "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest())
            case _:
                self._answer(404, "text/plain", b"no such page\n")

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Probes come every few seconds; a line for each would bury the rest."""
