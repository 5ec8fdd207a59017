"""An operator asks what became of four bookings, on a relay of real processes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from console.demo.relay import Relay, in_days
from console.demo.world import ClinicBooking, DemoWorld
from console.stack import IMPATIENT, Stack
from sandbox.clinics import Clinic
from shared.base.redaction import redact
from tests.polling import eventually

TOLVAN, LILL_TOLVAN = "191212121212", "201212121212"
SOUND = Clinic("SE2321000016-KNA1", "Ortopedmottagningen", "SE2321000016-TB01")
DOWN = Clinic("SE2321000016-SJU1", "Hudmottagningen", "SE2321000016-TB02")
STRANGER = Clinic("SE2321000016-TYS1", "Vårdcentralen", "SE2321000016-TB99")
KEY = "a secret of the tests, known to nobody"

SETTINGS = {
    **IMPATIENT,
    "BUDKAVLE_LOG_KEY": KEY,
    "BUDKAVLE_FETCHER_BREAKER_FAILURES": "1",
    "BUDKAVLE_FETCHER_BREAKER_FIRST_SECONDS": "600",
}


class Running:
    """The relay, its world, and the operator's command."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.world = DemoWorld(stack.sandbox["control"])

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "console", *arguments],
            env={**os.environ, **self.stack.environment, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def trace(self, *arguments: str) -> list[dict[str, Any]]:
        asked = self.ask("trace", *arguments, "--json")
        assert asked.returncode == 0, asked.stderr
        changes: list[dict[str, Any]] = json.loads(asked.stdout)["changes"]
        return changes

    def trace_until(self, kind: str, said: str, *arguments: str) -> dict[str, Any]:
        """The one change that is found, once its answer is of this kind and says so."""

        def found() -> dict[str, Any]:
            (change,) = self.trace(*arguments)
            assert change["answer"]["kind"] == kind, change
            assert said in change["answer"]["text"], change
            return change

        return eventually(found, timeout=40, every=0.5)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    stack = Stack(tmp_path_factory.mktemp("trace"), settings=SETTINGS)
    relay = Relay(stack.environment)
    relay.set_up()
    relay.activate(SOUND.source_system, "Tidbok")
    relay.activate(DOWN.source_system, "Norrby")
    relay.reach(TOLVAN, sms="+46701740605")
    with stack:
        yield Running(stack)
    relay.close()


def booking(clinic: Clinic, booking_id: str, patient: str = TOLVAN) -> ClinicBooking:
    return ClinicBooking(clinic, booking_id, patient, {"startTimeInclusive": in_days(20, "0900")})


def stages(change: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(step["stage"], step["outcome"], step["reason"]) for step in change["steps"]]


def eventually_holds(check: Callable[[], None]) -> None:
    """What is kept is written a second after the work it is about."""

    def holds() -> bool:
        check()
        return True

    eventually(holds, timeout=40, every=0.5)


@pytest.fixture(scope="module", autouse=True)
def booked(running: Running) -> None:
    running.world.break_source(DOWN, "fault")
    running.world.book(booking(SOUND, "told"))
    running.world.book(booking(STRANGER, "foreign"))
    running.world.book(booking(DOWN, "waits"))
    running.world.book(booking(SOUND, "quiet", LILL_TOLVAN))


@pytest.mark.timeout(180)
def test_one_that_was_announced_is_followed_to_its_notice(running: Running) -> None:
    told = running.trace_until("announced", "sms was taken", TOLVAN, "--booking", "told")

    def steps_are_written() -> None:
        (change,) = running.trace(told["change_id"])
        found = stages(change)
        assert {step[0] for step in found} == {"filter", "fetcher", "composer", "notifier"}
        assert ("notifier", "done", "accepted") in found

    eventually_holds(steps_are_written)
    assert told["answer"]["reason"] == "booking_confirmation"
    for name in (told["change_id"], told["message"]["id"]):
        assert [each["change_id"] for each in running.trace(name)] == [told["change_id"]]
    of_request = running.trace(told["notification_id"])
    assert told["change_id"] in {each["change_id"] for each in of_request}


def test_one_of_a_system_that_is_not_activated_was_dropped(running: Running) -> None:
    foreign = running.trace_until(
        "not_announced", "was not activated", TOLVAN, "--booking", "foreign"
    )
    assert stages(foreign) == [("filter", "drop", "not_activated")]
    assert foreign["source_system"] == STRANGER.source_system


def test_one_of_a_system_that_is_down_waits_and_says_until_when(running: Running) -> None:
    said = "Waits for the booking system until"
    waits = running.trace_until("waiting", said, TOLVAN, "--booking", "waits")
    assert waits["answer"]["reason"] in ("source_fault", "breaker_open")
    assert waits["steps"][-1]["until"]


def test_one_whose_notice_was_not_wanted_lies_in_the_inbox(running: Running) -> None:
    said = "The patient had chosen no notice."
    quiet = running.trace_until("announced", said, LILL_TOLVAN)
    assert stages(quiet)[-1] == ("notifier", "drop", "not_wanted")


def test_a_person_is_enough_and_is_never_shown(running: Running) -> None:
    found = eventually(lambda: len(running.trace(TOLVAN)) == 3 and running.trace(TOLVAN))
    assert {each["source_system"] for each in found} == {
        clinic.source_system for clinic in (SOUND, DOWN, STRANGER)
    }
    said = running.ask("trace", TOLVAN)
    assert "Told in the inbox at" in said.stdout
    assert redact(said.stdout) == said.stdout


def test_the_digest_finds_the_lines_of_a_booking(running: Running) -> None:
    running.trace_until("announced", "sms was taken", TOLVAN, "--booking", "told")
    (row,) = json.loads(running.ask("trace", "--digest", TOLVAN, "told", "--json").stdout)
    log = "\n".join(file.read_text() for file in running.stack.log_files())
    lines = [json.loads(line) for line in log.splitlines() if row["digest"] in line]
    assert {line["stage"] for line in lines} == {"fetcher", "composer", "notifier"}
    (foreign,) = json.loads(running.ask("trace", "--digest", TOLVAN, "foreign", "--json").stdout)
    dropped = [json.loads(line) for line in log.splitlines() if foreign["digest"] in line]
    assert [line["event"] for line in dropped] == ["bookings_dropped"]


def test_the_report_has_them_by_system(running: Running) -> None:
    running.trace_until("announced", "no notice", LILL_TOLVAN)
    running.trace_until("announced", "sms was taken", TOLVAN, "--booking", "told")

    def figures_are_there() -> None:
        found = json.loads(running.ask("report", "--since", "1h", "--json").stdout)["sources"]
        of = {each["source"]: each for each in found}
        assert of[SOUND.source_system]["received"] == 2
        assert of[SOUND.source_system]["messages"] == {"booking_confirmation": 2}
        assert of[SOUND.source_system]["notices"] == {"none": 1, "sms accepted": 1}
        assert of[STRANGER.source_system]["dropped"] == {"filter not_activated": 1}
        assert of[DOWN.source_system]["failed_calls"]["source_fault"] >= 1

    eventually_holds(figures_are_there)
