"""`budkavle status` on a relay that runs, and what processes write for it."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from console.findings import dead_by_group
from console.processes import Child
from console.state import DeadFindings, Findings, Store
from filter.unknown import UnknownReport
from shared import __version__
from shared.base.clock import utcnow
from shared.relay import open_broker
from shared.relay.broker import Envelope, Outgoing, QueueState
from shared.relay.topology import DELAY_STEPS, STAGES, Place, place_key
from shared.store.engine import Database, open_database
from shared.store.migrate import migrate
from shared.store.processes import StageProcess, StageProcesses
from shared.store.unknown_sources import UnknownSources
from tests.brokers import opened
from tests.command_line import CommandLine
from tests.dead_letters import bury, change, fetched, letter
from tests.polling import eventually

TWO_FAULTS = (
    "line 2: calls_per_second is no number; line 3: calls_per_second must be a number from 0.01"
)


@pytest.fixture
def budkavle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch)


@pytest.fixture
def database(database_url: str) -> Database:
    migrate(database_url)
    return open_database(database_url)


def test_before_setup_it_says_what_to_do_and_does_not_fail(budkavle: CommandLine) -> None:
    result = budkavle.run("status")
    assert result.exit_code == 4
    assert "lacks the schema of this version.  →  budkavle setup" in result.stdout


def test_without_broker_and_database_it_shows_that(budkavle: CommandLine) -> None:
    budkavle.set("BROKER_URL", "amqp://me:secret@127.0.0.1:1/x")
    budkavle.set("DATABASE_URL", "postgresql+psycopg://me:secret@127.0.0.1:1/x")
    result = budkavle.run("status")
    assert result.exit_code == 4
    assert (
        "Database    postgresql 127.0.0.1:1: is unavailable (connection refused)" in result.stdout
    )
    assert "Broker      rabbitmq 127.0.0.1:1: is unavailable" in result.stdout
    assert "secret" not in result.output


def test_a_relay_that_runs_is_well_and_a_stage_that_is_killed_is_missed(
    budkavle: CommandLine, tmp_path: Path
) -> None:
    budkavle.out("setup")
    settings = {
        "BUDKAVLE_PLATFORM_URL": "http://127.0.0.1:1/",
        "BUDKAVLE_INGEST_BIND": "127.0.0.1:0",
    }
    children = {stage: Child(stage, settings, tmp_path / "log") for stage in STAGES}
    try:
        for child in children.values():
            child.ready(60)
        eventually(lambda: budkavle.run("status").exit_code == 0, timeout=30, every=0.5)
        shown = budkavle.json("status")
        assert shown["well"]
        assert {each["stage"]: each["workers"] for each in shown["stages"]} == dict.fromkeys(
            STAGES, 1
        )
        assert {each["version"] for each in shown["processes"]} == {__version__}
        assert {each["pid"] for each in shown["processes"]} == {
            child.process.pid for child in children.values()
        }
        children["composer"].stop()
        after = budkavle.run("status")
        assert after.exit_code == 4
        assert "No composer runs.  →  budkavle run composer" in after.stdout
    finally:
        for child in children.values():
            child.stop()
    assert budkavle.json_of_any("status")["processes"] == []


def test_a_process_shows_itself_again_and_again_until_it_ends(database: Database) -> None:
    processes, now = StageProcesses(database), utcnow()
    old = StageProcess("old", "filter", "h", 1, "0", "qa", now, now - timedelta(days=2))
    processes.beat(old)
    row = StageProcess("p", "filter", "h", os.getpid(), "0", "qa", now, now, {"handled": 1})
    processes.beat(row)
    assert processes.all() == [row], "what was killed days ago is forgotten"
    later = StageProcess(
        "p", "filter", "h", os.getpid(), "0", "qa", now, now + timedelta(seconds=5), {"handled": 2}
    )
    processes.beat(later)
    assert processes.all() == [later]
    processes.end("p")
    assert processes.all() == []


def test_systems_that_are_not_activated_are_counted_on_and_forgotten_when_silent(
    database: Database,
) -> None:
    store, now = UnknownSources(database), utcnow()
    store.add({"SE-SILENT": 1}, "qa", now - timedelta(days=40))
    counted = {"SE-NEW": 3}
    report = UnknownReport(store, "qa", lambda: now, lambda: dict(counted))
    report()
    report()
    counted["SE-NEW"] = 5
    report()
    (found,) = store.all("qa")
    assert (found.hsa_key, found.engagements) == ("SE-NEW", 5)
    assert store.all("prod") == []


def test_an_unknown_system_is_listed_until_it_is_activated(budkavle: CommandLine) -> None:
    migrate(budkavle.database_url)
    UnknownSources(open_database(budkavle.database_url)).add({"SE-NEW": 3}, "qa", utcnow())
    assert "SE-NEW" in budkavle.out("source", "unknown")
    assert budkavle.json("source", "unknown")[0]["engagements"] == 3
    assert "Systems that are not activated send: SE-NEW" in budkavle.run("status").stdout
    budkavle.out("source", "add", "se-new", "--name", "New", "--environment", "qa", "--by", "x")
    assert budkavle.json("source", "unknown") == []


class TestPause:
    @pytest.fixture(autouse=True)
    def active(self, budkavle: CommandLine) -> None:
        budkavle.out("source", "add", "SE-a", "--name", "A", "--environment", "qa", "--by", "x")

    def test_a_source_is_paused_and_resumed_and_the_log_has_it(self, budkavle: CommandLine) -> None:
        budkavle.out("source", "pause", "se-A", "--environment", "qa", "--by", "anna")
        (source,) = budkavle.json("source", "list")
        assert (source["state"], source["paused_by"]) == ("paused", "anna")
        budkavle.out("source", "resume", "SE-a", "--environment", "qa", "--by", "bo")
        assert budkavle.json("source", "list")[0]["state"] == "active"
        log = [(entry["action"], entry["by"]) for entry in budkavle.json("source", "log")]
        assert log[:2] == [("resumed", "bo"), ("paused", "anna")]

    def test_changing_its_name_does_not_resume_it(self, budkavle: CommandLine) -> None:
        budkavle.out("source", "pause", "SE-a", "--environment", "qa", "--by", "anna")
        budkavle.out("source", "add", "SE-a", "--name", "B", "--environment", "qa", "--by", "x")
        assert budkavle.json("source", "list")[0]["state"] == "paused"

    @pytest.mark.parametrize("command", ["pause", "resume"])
    def test_what_is_not_there_or_not_so_is_told(self, budkavle: CommandLine, command: str) -> None:
        if command == "pause":
            budkavle.out("source", "pause", "SE-a", "--environment", "qa", "--by", "x")
        for name in ("SE-a", "SE-nobody"):
            again = budkavle.run("source", command, name, "--environment", "qa", "--by", "x")
            assert again.exit_code == 1


class TestImport:
    def run(self, budkavle: CommandLine, folder: Path, text: str, *more: str) -> tuple[int, str]:
        (folder / "systems.csv").write_text(text, encoding="utf-8-sig")
        file = str(folder / "systems.csv")
        done = budkavle.run("source", "import", file, "--environment", "qa", "--by", "x", *more)
        return done.exit_code, done.output

    def test_all_of_a_file_is_activated_or_changed(
        self, budkavle: CommandLine, tmp_path: Path
    ) -> None:
        text = "hsa_id;name;calls_per_second\nSE-a;Tidbok Å;2,5\nSE-b;B;\n\n"
        assert self.run(budkavle, tmp_path, text) == (0, "2 added, 0 changed, 0 unchanged.\n")
        again = text.replace("Tidbok Å", "Tidbok")
        assert self.run(budkavle, tmp_path, again) == (0, "0 added, 1 changed, 1 unchanged.\n")
        first, second = budkavle.json("source", "list")[::-1]
        assert (first["name"], first["calls_per_second"]) == ("Tidbok", 2.5)
        assert second["calls_per_second"] == 5.0

    def test_a_dry_run_changes_nothing(self, budkavle: CommandLine, tmp_path: Path) -> None:
        code, output = self.run(budkavle, tmp_path, "hsa_id,name\nSE-a,A\n", "--dry-run")
        assert (code, budkavle.json("source", "list")) == (0, [])
        assert "nothing was changed" in output

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("hsa_id\nSE-a\n", "the heading must name hsa_id and name"),
            ("hsa_id,name,colour\nSE-a,A,red\n", "the heading must name hsa_id and name"),
            ("hsa_id,name\n", "no booking system is in it"),
            ("hsa_id,name\nSE-a,\n", "line 2: name must have 1 to 200 characters"),
            ("hsa_id,name\nSE-a,A\nse-A,B\n", "line 3: se-A stands there twice"),
            ("hsa_id,name,calls_per_second\nSE-a,A,fast\nSE-b,B,0\n", TWO_FAULTS),
            ("hsa_id,name,calls_in_flight\nSE-a,A,1.5\n", "calls_in_flight must be a whole"),
        ],
    )  # fmt: skip
    def test_a_file_with_a_fault_changes_nothing(
        self, budkavle: CommandLine, tmp_path: Path, text: str, fault: str
    ) -> None:
        code, output = self.run(budkavle, tmp_path, text)
        assert code == 2
        assert fault in output
        assert budkavle.json("source", "list") == []


def test_dead_letters_are_shown_by_group_with_what_is_set_aside(budkavle: CommandLine) -> None:
    budkavle.out("setup")
    with closing(open_broker(budkavle.broker_url)) as broker:
        bury(broker, "fetcher", *(letter(f"f{number}", change()) for number in range(3)))
        bury(broker, "composer", letter("c", fetched(), reason="bug", error="KeyError"))
        aside = Outgoing(place_key("fetcher", Place.PARKED), letter("p", change()))
        later = Outgoing("fetcher", letter("l", change()), delay=DELAY_STEPS[-1])
        broker.publish([aside, later])
    result = budkavle.run("status")
    (biggest,) = budkavle.json("dead", "groups", "fetcher")
    assert biggest["id"] in result.stdout
    assert "1 in the delay queues, 1 parked." in result.stdout
    shown = budkavle.json_of_any("status")
    found = [(group["stage"], group["reason"], group["count"]) for group in shown["dead_groups"]]
    assert found == [("fetcher", "source_fault", 3), ("composer", "bug", 1)]
    assert shown["delayed_total"] == 1
    fetcher = next(stage for stage in shown["stages"] if stage["stage"] == "fetcher")
    assert (fetcher["dead"], fetcher["parked"], fetcher["discarded"]) == (3, 1, 0)


def test_dead_letters_that_somebody_replays_are_not_waited_for(
    budkavle: CommandLine, rabbitmq_url: str
) -> None:
    budkavle.set("BROKER_URL", rabbitmq_url)
    budkavle.out("setup")
    with opened(rabbitmq_url) as broker:
        bury(broker, "fetcher", letter("f", change()))
        with broker.hold_dead("fetcher", by="anna", doing="replaying: 7 so far"):
            shown = budkavle.json_of_any("status")
        assert shown["dead_groups"] == []
        assert "anna" in shown["dead_held"][0]
        assert "replaying: 7 so far" in shown["dead_held"][0]
        assert len(budkavle.json_of_any("status")["dead_groups"]) == 1


def test_dead_letters_are_looked_at_again_only_when_their_number_changed() -> None:
    state = QueueState("fetcher", 0, None, None, 1, None)
    former = DeadFindings(held=["as before"])

    class Broker:
        looks = 0

        def states(self) -> list[QueueState]:
            return [state]

        def dead_letters(self, *_: object, **__: object) -> Iterator[Envelope]:
            self.looks += 1
            yield letter("f", change())

    broker = Broker()
    assert dead_by_group(broker, [state], None).groups  # type: ignore[arg-type]
    before = Findings("qa", utcnow(), Store(""), Store(""), queues=[state], dead=former)
    assert dead_by_group(broker, [state], before) is former  # type: ignore[arg-type]
    more = replace(state, dead=2)
    assert dead_by_group(broker, [more], before).groups  # type: ignore[arg-type]
    assert broker.looks == 2


def test_at_80_columns_dead_letters_and_actions_are_tables(
    budkavle: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    budkavle.set("LOG_KEY", "k" * 32)
    budkavle.out("setup")
    budkavle.run("contact", "show", "191212121212")
    with opened(budkavle.broker_url) as broker:
        dead = letter("yfelpdelnonxjpzoeoyw-gu", change(), error="CallFailed")
        bury(broker, "fetcher", dead)
    monkeypatch.setenv("COLUMNS", "80")
    for command in (("dead", "list"), ("dead", "groups"), ("actions",), ("status",)):
        shown = budkavle.run(*command).stdout
        rules = [line for line in shown.splitlines() if "──" in line]
        assert rules
        assert max(map(len, rules)) <= 80
        fields = ("stage  ", "when  ", "group  ")
        assert not [line for line in shown.splitlines() if line.startswith(fields)]
