"""Traces by OpenTelemetry: a span for each delivery at each stage. Imported only where wanted.

The environment's OTEL_* settings are the SDK's own. Attributes hold ids of ours, outcomes and
reasons, in which person numbers are masked as in logs.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared import __version__
from shared.base.redaction import redact
from shared.relay.broker import Envelope, Outgoing
from shared.relay.disposition import Disposition
from shared.relay.topology import work_queue

_HEADER = "traceparent"
_FAILED = {"retry", "dead"}
#: How long the last spans may take to be sent when a process ends (seconds).
_STOP_SECONDS = 5.0

_propagator = TraceContextTextMapPropagator()


def exporting(stage: str, environment: str) -> "Telemetry":
    """Sends by OTLP over HTTP, in batches, from a thread of its own."""
    names = {"service.version": __version__, "deployment.environment.name": environment}
    if not os.environ.get("OTEL_SERVICE_NAME"):
        names["service.name"] = f"budkavle-{stage}"
    provider = TracerProvider(resource=Resource.create(names))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Telemetry(stage, provider)


class Telemetry:
    """The spans of one stage (`shared.relay.spans.Spans`)."""

    def __init__(self, stage: str, provider: TracerProvider) -> None:
        self._stage = stage
        self._provider = provider
        self._tracer = provider.get_tracer("budkavle", __version__)

    def begin(self, envelope: Envelope) -> "DeliverySpan":
        parent = _propagator.extract({_HEADER: envelope.traceparent}, Context())
        span = self._tracer.start_span(
            f"process {self._stage}",
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.operation.type": "process",
                "messaging.destination.name": work_queue(self._stage),
                "messaging.message.id": redact(envelope.message_id),
                "budkavle.stage": self._stage,
                "budkavle.attempt": envelope.attempt,
                "budkavle.replays": envelope.replays,
            },
        )
        return DeliverySpan(span)

    @contextmanager
    def publishing(self, messages: Sequence[Outgoing]) -> Iterator[str]:
        with self._tracer.start_as_current_span(
            f"publish {self._stage}",
            context=Context(),
            kind=SpanKind.PRODUCER,
            attributes={
                "messaging.operation.type": "send",
                "messaging.destination.name": work_queue(messages[0].key),
                "messaging.batch.message_count": len(messages),
                "messaging.message.id": redact(messages[0].envelope.message_id),
                "budkavle.stage": self._stage,
            },
            record_exception=False,  # its text is another library's
        ) as span:
            yield _traceparent(span)

    def stop(self) -> None:
        """Send what waits, within a few seconds, whether the collector answers or not."""
        ending = Thread(target=self._provider.shutdown, name="telemetry", daemon=True)
        ending.start()
        ending.join(_STOP_SECONDS)


class DeliverySpan:
    """As `shared.relay.spans.Span`."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        return _traceparent(self._span)

    def end(self, disposition: Disposition, names: Mapping[str, str]) -> None:
        found = {f"budkavle.{name}": redact(text) for name, text in names.items() if text}
        self._span.set_attributes(
            {
                **found,
                "budkavle.outcome": disposition.outcome,
                "budkavle.reason": disposition.reason,
            }
        )
        if disposition.outcome in _FAILED:
            self._span.set_status(StatusCode.ERROR, disposition.reason)
        self._span.end()


def _traceparent(span: Span) -> str:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, set_span_in_context(span, Context()))
    return carrier.get(_HEADER, "")
