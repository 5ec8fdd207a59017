"""What is kept of a message, how it is written, and what is said of it."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from threading import Event

import pytest
from pydantic import SecretStr

from composer.verdict import Reason
from console.trace_answers import NO_NOTICE, NOTICE_WAITS, SILENT, WAITING, AnswerKind, answer_of
from fetcher.answers import FetchRetryReason
from fetcher.handler import FetchDropReason
from fetcher.limits import SourceWaitReason
from filter.rules import EngagementDropReason
from notifier.channels import NoticeWaitReason
from notifier.handler import NoticeDropReason, NoticeRetryReason
from shared.base.clock import utcnow
from shared.base.errors import Unavailable, WrongSettings
from shared.base.redaction import may_hold_secrets
from shared.booking.digests import KeyedDigests
from shared.booking.messages import Engagement, FetchedBooking, NoticeOrder, Notification
from shared.relay.broker import Envelope
from shared.relay.disposition import StageDelivery
from shared.relay.outcomes import Done, Outcome, Postpone, Publish
from shared.relay.topology import Topology
from shared.relay.worker import Handled
from shared.stage.settings import CommonSettings
from shared.stage.trace_steps import StepsOf
from shared.stage.tracing import Tracer
from shared.store.trace_changes import ChangeTrace
from shared.store.trace_writer import LOST, TraceWriter
from shared.store.traces import TraceStep
from tests.polling import eventually
from tests.unit.test_disposition import change

NOW = utcnow()
KEY = "k" * 32
PATIENT = "191212121212"
DIGESTS = KeyedDigests(KEY)
CHANGE = change()


def handled(message: object, outcome: Outcome, stage: str = "fetcher") -> Handled:
    envelope = Envelope("m", b"")
    disposition = StageDelivery(stage, envelope, NOW, Topology()).disposition(outcome)
    return Handled(message, outcome, disposition, 1, NOW)


def step(stage: str, outcome: str, reason: str, **values: object) -> TraceStep:
    return TraceStep(
        at=NOW,
        stage=stage,
        outcome=outcome,
        reason=reason,
        attempt=1,
        notification_id="n",
        change_id="n-a",
        received_at=NOW,
        **values,
    )


def traced(*steps: TraceStep) -> ChangeTrace:
    return ChangeTrace(
        change_id="n-a",
        notification_id="n",
        correlation_id="",
        source_system="SE-A",
        booking=None,
        received_at=NOW,
        steps=steps,
        message=None,
        notices=(),
    )


class TestDigests:
    def test_they_depend_on_the_key_and_on_all_that_they_are_of(self) -> None:
        digests = {
            DIGESTS.booking(PATIENT, "b"),
            DIGESTS.booking(PATIENT, "c"),
            DIGESTS.booking("201212121212", "b"),
            DIGESTS.patient(PATIENT),
            KeyedDigests("x" * 32).booking(PATIENT, "b"),
        }
        assert len(digests) == 5
        assert DIGESTS.booking("19121212tf12", "b") == DIGESTS.booking("19121212TF12", "b")

    def test_no_redaction_takes_one_for_a_person_number(self) -> None:
        digests = [DIGESTS.booking(PATIENT, str(number)) for number in range(200)]
        assert {len(each) for each in digests} == {32}
        assert not any(map(may_hold_secrets, digests))

    def test_a_short_key_is_refused_and_not_repeated(self) -> None:
        with pytest.raises(WrongSettings, match="BUDKAVLE_LOG_KEY: has fewer than 32") as refused:
            CommonSettings(log_key=SecretStr("short"))
        assert "short" not in str(refused.value)


class TestSteps:
    def test_a_change_that_waits_says_until_when(self) -> None:
        wait = Postpone(timedelta(minutes=5), "breaker_open")
        (found,) = StepsOf("fetcher", DIGESTS).handled(handled(CHANGE, wait))
        assert (found.outcome, found.reason) == ("postpone", "breaker_open")
        assert found.until == NOW + timedelta(minutes=5)
        assert found.booking == DIGESTS.booking(CHANGE.booking.patient, CHANGE.booking.booking_id)

    def test_no_value_of_an_engagement_is_kept(self) -> None:
        secret = CHANGE.booking.replaced(booking_id="booking-1", logical_address="SE-UNIT")
        told = CHANGE.model_copy(update={"booking": secret, "most_recent_content": "2027"})
        (found,) = StepsOf("fetcher", DIGESTS).handled(handled(told, Publish(())))
        kept = " ".join(str(getattr(found, name)) for name in TraceStep._fields)
        for value in (secret.patient, "booking-1", "SE-UNIT", "2027"):
            assert value not in kept

    def test_without_a_key_nobody_is_kept(self) -> None:
        (found,) = StepsOf("fetcher", None).handled(handled(CHANGE, Publish(())))
        assert (found.booking, found.patient) == (None, None)

    def test_a_message_that_is_written_is_named(self) -> None:
        order = NoticeOrder(
            notification_id="n",
            received_at=NOW,
            change_id="n-a",
            message_id="message",
            patient=PATIENT,
            booking_id="b",
        )
        fetched = FetchedBooking(**CHANGE.said, fetched_at=NOW, details=None)
        published = handled(fetched, Publish((order,), "booking_confirmation"), "composer")
        (of_composer,) = StepsOf("composer", DIGESTS).handled(published)
        (of_notifier,) = StepsOf("notifier", DIGESTS).handled(handled(order, Done("accepted")))
        assert of_composer.message_id == of_notifier.message_id == "message"
        assert of_notifier.booking == DIGESTS.booking(PATIENT, "b")

    def test_what_the_filter_drops_has_the_id_it_would_have_had(self) -> None:
        engagements = tuple(
            Engagement(
                deleted=False,
                patient=PATIENT,
                service_domain="riv:crm:scheduling",
                logical_address="SE-U",
                booking_id=name,
                source_system="se-a",
            )
            for name in ("one", "two")
        )
        notification = Notification(
            notification_id="n", correlation_id="c" * 300, received_at=NOW, engagements=engagements
        )
        dropped = [(EngagementDropReason.NOT_ACTIVATED, engagements[1])]
        (found,) = StepsOf("filter", DIGESTS).dropped(notification, dropped, NOW)
        assert (found.change_id, found.source_system) == ("n-b", "SE-A")
        assert found.correlation_id == "c" * 100, "no longer than its column"


class TestLogContext:
    def test_lines_name_booking_and_system(self) -> None:
        names = Tracer("fetcher", CommonSettings(log_key=SecretStr(KEY))).log_context(CHANGE)
        booking = CHANGE.booking
        assert names["booking"] == DIGESTS.booking(booking.patient, booking.booking_id)
        assert names["source"] == booking.source_system.upper()
        assert names["change_id"] == CHANGE.change_id

    def test_without_a_key_they_name_the_system_alone(self) -> None:
        names = Tracer("fetcher", CommonSettings()).log_context(CHANGE)
        assert "booking" not in names
        assert "source" in names


class TestWriter:
    def test_what_is_put_is_written(self) -> None:
        written: list[TraceStep] = []
        writer = TraceWriter("filter", written.extend, lambda item: [item], every=0.01)
        writer.start()
        steps = [step("filter", "publish", str(number)) for number in range(1200)]
        for each in steps:
            writer.put(each)
        eventually(lambda: len(written) == len(steps))
        assert written == steps
        writer.stop()

    def test_nobody_waits_for_a_database_that_hangs_and_what_is_lost_is_counted(self) -> None:
        release, asked = Event(), Event()

        def hang(_steps: Sequence[TraceStep]) -> None:
            asked.set()
            release.wait(10)

        writer = TraceWriter("hanging", hang, lambda item: [item], capacity=3, every=0.01)
        writer.start()
        before = LOST.labels("hanging")._value.get()
        for number in range(5):
            writer.put(step("filter", "publish", str(number)))
        assert asked.wait(5)
        assert LOST.labels("hanging")._value.get() - before == 2
        release.set()
        writer.stop()

    def test_it_goes_on_when_the_database_is_back(self) -> None:
        written: list[TraceStep] = []
        away = Event()
        away.set()

        def write(steps: Sequence[TraceStep]) -> None:
            if away.is_set():
                raise Unavailable("database_unavailable")
            written.extend(steps)

        writer = TraceWriter("filter", write, lambda item: [item], every=0.01)
        writer.put(one := step("filter", "publish", ""))
        writer.start()
        away.clear()
        eventually(lambda: written == [one])
        writer.stop()

    def test_what_cannot_be_kept_does_not_hold_up_the_rest(self) -> None:
        written: list[TraceStep] = []

        def steps_of(item: TraceStep | None) -> list[TraceStep]:
            if item is None:
                raise ValueError
            return [item]

        writer = TraceWriter("filter", written.extend, steps_of, every=0.01)
        writer.start()
        writer.put(None)
        eventually(lambda: not writer._items)
        writer.put(one := step("filter", "publish", ""))
        eventually(lambda: written == [one])
        writer.stop()

    def test_the_last_ones_are_written_at_the_end(self) -> None:
        written: list[TraceStep] = []
        writer = TraceWriter("filter", written.extend, lambda item: [item], every=60)
        writer.start()
        writer.put(one := step("filter", "publish", ""))
        writer.stop()
        assert written == [one]


class TestAnswers:
    @pytest.mark.parametrize("reason", [*EngagementDropReason, *FetchDropReason])
    def test_every_drop_before_the_composer_has_a_text(self, reason: StrEnum) -> None:
        assert reason in SILENT
        assert answer_of(traced(step("filter", "drop", reason))).text == SILENT[reason]

    @pytest.mark.parametrize("reason", [*SourceWaitReason, *FetchRetryReason])
    def test_every_wait_for_a_booking_system_has_a_text(self, reason: StrEnum) -> None:
        assert reason in WAITING
        waits = answer_of(traced(step("fetcher", "postpone", reason, until=NOW)))
        assert waits.kind is AnswerKind.WAITING
        assert "{" not in waits.text

    @pytest.mark.parametrize("reason", Reason)
    def test_every_verdict_of_the_composer_has_a_text(self, reason: Reason) -> None:
        if reason is not Reason.REPLY_MISMATCH:  # a dead letter
            assert reason in {*SILENT, *WAITING}

    @pytest.mark.parametrize("reason", [*NoticeDropReason])
    def test_every_notice_that_is_not_sent_has_a_text(self, reason: StrEnum) -> None:
        assert reason in NO_NOTICE

    @pytest.mark.parametrize("reason", [*NoticeWaitReason, *NoticeRetryReason])
    def test_every_notice_that_waits_has_a_text(self, reason: StrEnum) -> None:
        assert reason in NOTICE_WAITS

    def test_the_last_step_decides(self) -> None:
        waits = step("fetcher", "retry", "source_timed_out", until=NOW)
        queued = step("fetcher", "publish", "")
        assert answer_of(traced(waits, queued)).kind is AnswerKind.QUEUED
        assert "queue of the composer" in answer_of(traced(waits, queued)).text
        dead = answer_of(traced(waits, step("fetcher", "dead", "reply_mismatch")))
        assert (dead.kind, dead.reason) == (AnswerKind.DEAD, "reply_mismatch")
