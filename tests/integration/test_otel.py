"""One trace per notification, through the runners of all stages, as OpenTelemetry's SDK sees it."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from ingest.publisher import QueuePublisher
from shared.booking.messages import READS
from shared.relay.broker import Broker, Envelope, Outgoing, PublishRefused
from shared.relay.outcomes import DeadLetter, Done, Outcome, Publish, RetryLater
from shared.relay.spans import TracedPublishing
from shared.relay.topology import READING_STAGES, Topology
from shared.relay.worker import BatchHandler, Worker
from shared.stage.otel import Telemetry
from shared.stage.settings import CommonSettings
from shared.stage.telemetry import ENDPOINTS, telemetry_of
from tests.brokers import broker_at
from tests.dead_letters import TOLVAN, change, fetched, notification, order
from tests.polling import eventually

TOPOLOGY = Topology(
    delay_steps=(timedelta(milliseconds=50),), retry_delays=(timedelta(milliseconds=50),)
)


class Stages:
    """The five stages in this process; what a test gives to `handlers` is what a stage does."""

    def __init__(self, broker: Broker) -> None:
        self.exporter = InMemorySpanExporter()
        self._provider = TracerProvider()
        self._provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.broker = broker
        self._workers: list[Worker] = []

    def start(
        self,
        handlers: dict[str, Callable[[object], Outcome]],
        batches: dict[str, BatchHandler] | None = None,
    ) -> None:
        for stage, handle in handlers.items():
            worker = Worker(
                stage,
                handle,
                self.broker,
                decode=READS[stage].decode,
                topology=TOPOLOGY,
                concurrency=1,
                prefetch=10,
                handle_batch=(batches or {}).get(stage),
                spans=self.telemetry(stage),
            )
            worker.start()
            self._workers.append(worker)

    def telemetry(self, stage: str) -> Telemetry:
        return Telemetry(stage, self._provider)

    def ingest(self, *sources: str) -> None:
        publishing = TracedPublishing(self.broker, self.telemetry("ingest"))
        QueuePublisher(publishing, timeout=5, max_message_bytes=1_000_000)(notification(*sources))

    def spans(self, count: int) -> list[ReadableSpan]:
        """Once there are as many, in the order in which they began."""
        eventually(lambda: len(self.exporter.get_finished_spans()) >= count)
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop(5)


@pytest.fixture
def stages(tmp_path: Path) -> Iterator[Stages]:
    with closing(broker_at(f"sqlite:///{tmp_path / 'queues.sqlite3'}", TOPOLOGY)) as broker:
        broker.declare()
        found = Stages(broker)
        yield found
        found.stop()


def relayed(fetch: Callable[[object], Outcome]) -> dict[str, Callable[[object], Outcome]]:
    return {
        "filter": lambda _message: Publish((change(),)),
        "fetcher": fetch,
        "composer": lambda _message: Publish((order(),)),
        "notifier": lambda _message: Done("accepted"),
    }


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def test_one_trace_leads_through_all_stages(stages: Stages) -> None:
    tries: list[object] = []

    def fetch(message: object) -> Outcome:
        tries.append(message)
        return Publish((fetched(),)) if len(tries) > 1 else RetryLater("source_timed_out")

    stages.start(relayed(fetch))
    stages.ingest("SE-tidbok")
    spans = stages.spans(6)
    assert [span.name for span in spans] == [
        "publish ingest",
        "process filter",
        "process fetcher",
        "process fetcher",
        "process composer",
        "process notifier",
    ]
    assert len({span.context.trace_id for span in spans}) == 1
    assert [parent_of(span) for span in spans] == [
        None,
        *(span.context.span_id for span in spans[:-1]),
    ]
    first, second = (dict(span.attributes or {}) for span in spans[2:4])
    assert (first["budkavle.attempt"], first["budkavle.outcome"]) == (1, "retry")
    assert (second["budkavle.attempt"], second["budkavle.outcome"]) == (2, "publish")
    assert spans[2].status.status_code is StatusCode.ERROR
    assert spans[2].status.description == "source_timed_out"
    assert dict(spans[5].attributes or {})["budkavle.notification_id"] == "notificationaaaaaaaa"


def test_no_span_names_a_patient(stages: Stages) -> None:
    stages.start(relayed(lambda _message: Publish((fetched(),))))
    stages.ingest("SE-tidbok")
    assert TOLVAN not in "".join(span.to_json() for span in stages.spans(5))


def test_a_replay_belongs_to_the_trace_of_what_died(stages: Stages) -> None:
    outcomes = iter([DeadLetter("bug"), Done("accepted")])
    stages.start({"filter": lambda _message: next(outcomes)})
    stages.ingest("SE-tidbok")
    stages.spans(2)
    (letter,) = eventually(lambda: list(stages.broker.dead_letters("filter")))
    with stages.broker.hold_dead("filter", by="anna", doing="replaying") as queue:
        queue.take(queue.read(1), [Outgoing("filter", letter.replayed())])
    spans = stages.spans(3)
    assert len({span.context.trace_id for span in spans}) == 1
    assert dict(spans[2].attributes or {})["budkavle.replays"] == 1


def test_each_message_of_a_batch_has_its_own_span(stages: Stages) -> None:
    for _ in range(3):
        stages.ingest("SE-tidbok")

    def batch(messages: Sequence[object]) -> Sequence[Outcome]:
        return [Done("accepted") for _ in messages]

    stages.start({"filter": lambda _message: Done("accepted")}, {"filter": batch})
    spans = stages.spans(6)
    assert len({span.context.trace_id for span in spans}) == 3


def test_a_message_that_cannot_be_read_has_a_span(stages: Stages) -> None:
    stages.start({"filter": lambda _message: Done("accepted")})
    stages.broker.publish([Outgoing("filter", Envelope("x", b"\xff", traceparent="nonsense"))])
    (span,) = stages.spans(1)
    assert dict(span.attributes or {})["budkavle.reason"] == "undecodable"


def test_a_publish_that_fails_is_seen(stages: Stages) -> None:
    class Refusing:
        def publish(self, messages: Sequence[object], *, timeout: float = 10) -> None:
            raise PublishRefused("full")

    publishing = TracedPublishing(Refusing(), stages.telemetry("ingest"))
    with pytest.raises(PublishRefused):
        publishing.publish([_outgoing()])
    (span,) = stages.spans(1)
    assert span.status.status_code is StatusCode.ERROR


def _outgoing():
    return Outgoing("filter", Envelope("x", b"{}"))


class TestWhetherItIsOn:
    @pytest.fixture(autouse=True)
    def nothing_is_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ENDPOINTS:
            monkeypatch.delenv(name, raising=False)

    def test_it_is_off_by_default_and_imports_nothing(self) -> None:
        assert telemetry_of("filter", CommonSettings()) is None
        code = (
            "import sys, filter.__main__, shared.stage.process as p;"
            "from shared.stage.settings import CommonSettings as C;"
            "assert p.telemetry_of('filter', C()) is None;"
            "sys.exit('opentelemetry' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    @pytest.mark.parametrize("name", ENDPOINTS)
    def test_an_endpoint_turns_it_on(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        telemetry = telemetry_of("filter", CommonSettings())
        assert telemetry is not None
        telemetry.stop()

    @pytest.mark.parametrize(
        ("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")]
    )
    def test_the_standard_settings_turn_it_off(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(ENDPOINTS[0], "http://127.0.0.1:1")
        monkeypatch.setenv(name, value)
        assert telemetry_of("filter", CommonSettings()) is None

    def test_without_the_extra_a_stage_starts_all_the_same(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(ENDPOINTS[0], "http://127.0.0.1:1")
        monkeypatch.setitem(sys.modules, "shared.stage.otel", None)
        assert telemetry_of("filter", CommonSettings()) is None


def test_every_reading_stage_is_followed() -> None:
    assert set(relayed(lambda _message: Done("x"))) == set(READING_STAGES)
