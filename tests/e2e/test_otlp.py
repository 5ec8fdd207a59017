"""The five stages as processes send one trace of a booking by OTLP over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from console.demo.relay import Relay, in_days
from console.demo.world import Clinic, ClinicBooking, DemoWorld
from console.stack import IMPATIENT, Stack
from shared.relay.topology import STAGES
from tests.polling import eventually

TOLVAN = "191212121212"
CLINIC = Clinic("SE2321000016-KNA1", "Ortopedmottagningen", "SE2321000016-TB01")


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """An address for OTEL_EXPORTER_OTLP_ENDPOINT, and what was posted to its traces."""
    posted: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                posted.append(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", posted
    finally:
        server.shutdown()
        server.server_close()


def traces_of(posted: list[bytes]) -> dict[bytes, set[str]]:
    """The names of the services in each trace."""
    found: dict[bytes, set[str]] = {}
    for body in list(posted):
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    found.setdefault(span.trace_id, set()).add(names["service.name"])
    return found


@pytest.mark.timeout(180)
def test_one_trace_of_a_booking_comes_from_all_five(tmp_path: Path) -> None:
    with collector() as (url, posted):
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        stack = Stack(tmp_path, settings={**IMPATIENT, **settings})
        relay = Relay(stack.environment)
        relay.set_up()
        relay.activate(CLINIC.source_system, "Tidbok")
        relay.reach(TOLVAN, sms="+46701740605")
        with stack:
            when = {"startTimeInclusive": in_days(20, "0900")}
            DemoWorld(stack.sandbox["control"]).book(ClinicBooking(CLINIC, "b1", TOLVAN, when))
            everybody = {f"budkavle-{stage}" for stage in STAGES}
            eventually(lambda: everybody in traces_of(posted).values(), timeout=60, every=0.5)
        relay.close()
        assert TOLVAN.encode() not in b"".join(posted)
