"""What an operator may read of a dead letter."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.dead_letters import HIDDEN, Selection, describe, visible_message
from shared.booking.messages import QueueMessage
from shared.relay.broker import Envelope
from tests.dead_letters import (
    NOON,
    SECRET,
    TOLVAN,
    change,
    fetched,
    letter,
    notification,
    order,
)

MESSAGES = {
    "filter": notification("SE-tidbok", "SE-other"),
    "fetcher": change(),
    "composer": fetched(),
    "notifier": order(),
}


@pytest.mark.parametrize(("stage", "message"), MESSAGES.items())
def test_nothing_of_the_patient_is_visible(stage: str, message: QueueMessage) -> None:
    shown = json.dumps(visible_message(stage, letter("x", message)), ensure_ascii=False)
    assert HIDDEN in shown
    assert "notificationaaaaaaaa" in shown
    assert TOLVAN not in shown
    assert SECRET not in shown


def test_what_helps_to_find_the_fault_is_visible() -> None:
    shown = visible_message("composer", letter("x", fetched()))
    assert shown["type"] == "FetchedBooking"
    assert shown["fetched_at"] == "2026-11-25T11:00:00Z"
    assert shown["booking"] == {
        "source_system": "SE-tidbok",
        "logical_address": "SE-unit",
        "booking_id": "b1",
        "patient": HIDDEN,
    }
    assert shown["details"]["unit"] == "SE-unit"
    assert shown["same_request"] == []


def test_a_person_number_inside_a_visible_field_is_masked() -> None:
    [removed] = visible_message("fetcher", letter("x", change()))["same_request"]
    assert removed["booking"]["booking_id"] == "of [person]"
    assert removed["booking"]["patient"] == HIDDEN


def test_a_source_without_the_booking_is_told_apart() -> None:
    gone = fetched().model_copy(update={"details": None})
    assert visible_message("composer", letter("x", gone))["details"] is None


@pytest.mark.parametrize(
    ("stage", "message", "sources"),
    [
        ("filter", notification("SE-b", "SE-a", "SE-b"), ("SE-a", "SE-b")),
        ("fetcher", change(), ("SE-tidbok",)),
        ("composer", fetched(), ("SE-tidbok",)),
        ("notifier", order(), ()),
    ],
)
def test_the_source_systems_of_each_message(
    stage: str, message: QueueMessage, sources: tuple[str, ...]
) -> None:
    assert describe(stage, letter("x", message)).source_systems == sources


def test_a_letter_without_history_is_described() -> None:
    described = describe("filter", letter("x", b"")._replace(history=(), dead_since=None))
    assert (described.error, described.first_failed, described.last_failed) == ("", None, None)


def test_first_and_last_failure_span_the_attempts() -> None:
    described = describe("fetcher", letter("x", change(), attempts=5))
    assert described.last_failed == NOON
    assert described.first_failed is not None
    assert (NOON - described.first_failed).total_seconds() == 4 * 60


@given(st.binary())
def test_any_bytes_can_be_described_and_shown(body: bytes) -> None:
    envelope: Envelope = letter("x", body)
    for stage in MESSAGES:
        assert describe(stage, envelope).source_systems == ()
        assert "undecodable" in visible_message(stage, envelope)


def test_an_open_selection_takes_everything() -> None:
    assert Selection(("filter",)).takes(describe("filter", letter("x", b"")))
