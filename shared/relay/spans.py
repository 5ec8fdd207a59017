"""Spans of a distributed trace, as the runner and a publisher see them.

`shared.stage.otel` makes them, where OpenTelemetry is installed and asked for. A message carries
the span that published it in its `traceparent` header (W3C Trace Context, "traceparent Header"), so
that what follows from it, retries and replays too, belongs to the same trace.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from shared.relay.broker import Envelope, Outgoing, Publishing
from shared.relay.disposition import Disposition


class Span(Protocol):
    """One delivery at one stage, while it is handled."""

    @property
    def traceparent(self) -> str:
        """For the header of what is published in its place."""

    def end(self, disposition: Disposition, names: Mapping[str, str]) -> None:
        """`names`: the ids of the message; none when it could not be decoded."""


class Spans(Protocol):
    """Those of one stage's process. Thread-safe, and no method fails."""

    def begin(self, envelope: Envelope) -> Span:
        """Of the delivery that carries `envelope`."""

    def publishing(self, messages: Sequence[Outgoing]) -> AbstractContextManager[str]:
        """Around a publish that begins a trace; its `traceparent`."""


def traced(messages: Sequence[Outgoing], traceparent: str) -> tuple[Outgoing, ...]:
    return tuple(
        one._replace(envelope=one.envelope._replace(traceparent=traceparent)) for one in messages
    )


class TracedPublishing:
    """Publishes as `broker` does; each publish begins a trace."""

    def __init__(self, broker: Publishing, spans: Spans) -> None:
        self._broker = broker
        self._spans = spans

    def publish(self, messages: Sequence[Outgoing], *, timeout: float = 10) -> None:
        with self._spans.publishing(messages) as traceparent:
            self._broker.publish(traced(messages, traceparent), timeout=timeout)
