"""No line of ours shows a person number; ids, addresses and times stay readable."""

import json
import logging

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from shared.base.ids import new_id
from shared.base.logging import bound_to_lines, configure_logging
from shared.base.redaction import MASK, holds_no_secrets, may_hold_secrets, redact, redact_value


class Json:
    log_format = "json"
    log_level = "info"


@pytest.mark.parametrize(
    "number",
    [
        "191212121212",
        "19121212-1212",
        "121212-1212",
        "19121212+1212",
        "20121212T212",
        "99201012A123",
    ],
)
def test_person_numbers_are_masked_wherever_they_stand(number: str) -> None:
    assert redact(number) == MASK
    assert redact(f"actor={number}, no answer") == f"actor={MASK}, no answer"
    assert redact(f"<subject_of_care>{number}</subject_of_care>") == (
        f"<subject_of_care>{MASK}</subject_of_care>"
    )


@pytest.mark.parametrize(
    "text",
    [
        "SE165565594230-1000",
        "SE2321000016-1hz5",
        "20261203090000",
        "2026-12-03T09:00:00.123456Z",
        "http://127.0.0.1:43121/metrics",
        "e61efaab-d96f-4434-97b1-19121212121f",
        "20121212-1212-4434-97b1-d1ca49fc6b3f",
    ],
)
def test_what_is_no_person_number_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://me:hunter2@host:5672/%2F", "amqp://me:[secret]@host:5672/%2F"),
        ("postgresql+psycopg://:hunter2@host/x", "postgresql+psycopg://:[secret]@host/x"),
        ("see http://me:hunt@er2@host/ and b", "see http://me:[secret]@host/ and b"),
        ("http://host:8080/a@b", "http://host:8080/a@b"),
        ("http://me@host/", "http://me@host/"),
    ],
)
def test_passwords_in_urls_are_masked(url: str, shown: str) -> None:
    assert redact(url) == shown


_SURROUNDINGS = st.text(alphabet='019aZpSE-+:/@ \n"\\\x01ö', max_size=6)


@given(
    number=st.from_regex(r"[0-9]{6}([0-9]{2})?[-+]?[0-9A-Zptf]{4}", fullmatch=True),
    before=_SURROUNDINGS,
    after=_SURROUNDINGS,
)
@example(number="191212121212", before="\x01", after="")
def test_no_line_with_a_number_to_mask_passes_the_first_look(
    number: str, before: str, after: str
) -> None:
    text = f"{before}{number}{after}"
    hides = redact(f"{text} ://") != f"{text} ://"  # with what always gets a second look
    line = json.dumps({"text": text}, ensure_ascii=False)
    assert may_hold_secrets(line) or not hides
    assert not holds_no_secrets(line.encode()) or not hides


@given(st.text(alphabet='0123456789abcdefptAZSE-+:/"\\\x01\x1fö ', max_size=60))
@example("SE2321000016-191212121212")
@example("SE191212121212-")
@example("\x1fSE2321000016-1912")
def test_what_is_looked_through_as_bytes_would_be_found_harmless_as_text(text: str) -> None:
    line = json.dumps({"text": text}, ensure_ascii=False)
    assert not holds_no_secrets(line.encode()) or not may_hold_secrets(line)


def test_a_line_of_every_day_gets_no_second_look() -> None:
    line = b'{"source":"SE2321000016-S001","seconds":0.0012,"timestamp":"2026-11-26T08:04:01.504Z"}'
    assert holds_no_secrets(line)


def test_what_is_not_plain_is_told_by_its_str_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON would show the fields that `str` leaves out."""

    class Secretive(BaseModel):
        name: str = Field(repr=False)

    configure_logging("filter", Json())
    try:
        structlog.get_logger().warning("told", who=Secretive(name="Alva Testlund"))
        (line,) = capsys.readouterr().err.splitlines()
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers.clear()
    assert "Alva" not in line


def test_our_own_ids_are_never_masked() -> None:
    for _ in range(1000):
        assert redact(f"id {new_id()}") != f"id {MASK}"


def test_nested_values_and_whole_numbers_are_masked_too() -> None:
    value = {"a": ["191212121212", {"b": 191212121212}], "n": 3, "f": 0.5}
    assert redact_value(value) == {"a": [MASK, {"b": MASK}], "n": 3, "f": 0.5}


def test_neither_our_lines_nor_those_of_libraries_show_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("filter", Json())
    try:
        structlog.get_logger().info("told", patient="191212121212")
        logging.getLogger("some.library").warning("bad row (%s)", "191212121212")
        try:
            int("patient 191212121212")
        except ValueError:
            structlog.get_logger().exception("failed")
        captured = capsys.readouterr().err
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers.clear()
    assert "191212121212" not in captured
    lines = [json.loads(line) for line in captured.splitlines()]
    assert [line["stage"] for line in lines] == ["filter"] * 3
    assert captured.count(MASK) == 4  # the traceback shows the line of code, too


def test_what_is_bound_stands_in_every_line_until_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("filter", Json())
    try:
        with bound_to_lines({"change_id": "one", "reason": "bound"}):
            structlog.get_logger().info("inside")
            structlog.get_logger().warning("inside", reason="said")
        structlog.get_logger().warning("outside")
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers.clear()
    told = [(line["event"], line.get("change_id"), line.get("reason")) for line in lines]
    assert told == [("inside", "one", "bound"), ("inside", "one", "said"), ("outside", None, None)]
