"""`budkavle dead` and `budkavle queues` on both brokers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.relay.broker import Broker
from tests.brokers import Reader, opened
from tests.command_line import CommandLine, only_errors_logged
from tests.dead_letters import (
    SECRET,
    TOLVAN,
    bury,
    change,
    fetched,
    letter,
    notification,
    order,
)


@pytest.fixture
def broker(broker_url: str) -> Iterator[Broker]:
    with opened(broker_url) as one:
        one.declare()
        yield one


@pytest.fixture
def budkavle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker_url: str
) -> Iterator[CommandLine]:
    command_line = CommandLine(tmp_path, monkeypatch)
    command_line.set("BROKER_URL", broker_url)
    with only_errors_logged():
        yield command_line


@pytest.fixture
def graveyard(broker: Broker) -> Broker:
    """A letter or two at every stage, one of them not decodable."""
    bury(broker, "filter", letter("fa", notification("SE-tidbok", "SE-other"), reason="bug"))
    bury(broker, "fetcher", letter("fe", change()), letter("ff", b"\xff", reason="undecodable"))
    bury(broker, "composer", letter("co", fetched(), reason="bug", error="KeyError"))
    bury(broker, "notifier", letter("no", order(), reason="smtp_down"))
    return broker


def ids(budkavle: CommandLine, *arguments: str) -> list[str]:
    return [one["id"] for one in budkavle.json("dead", "list", *arguments)]


def test_every_letter_is_listed_without_the_patient(
    budkavle: CommandLine, graveyard: Broker
) -> None:
    listed = budkavle.json("dead", "list")
    assert [(one["id"], one["stage"], one["reason"]) for one in listed] == [
        ("fa", "filter", "bug"),
        ("fe", "fetcher", "source_fault"),
        ("ff", "fetcher", "undecodable"),
        ("co", "composer", "bug"),
        ("no", "notifier", "smtp_down"),
    ]
    assert listed[1] == {
        "id": "fe",
        "stage": "fetcher",
        "reason": "source_fault",
        "error": "Fault",
        "attempts": 3,
        "first_failed": "2026-11-25T10:58:00+00:00",
        "last_failed": "2026-11-25T11:00:00+00:00",
        "dead_since": "2026-11-25T11:00:00+00:00",
        "replays": 0,
        "source_systems": ["SE-tidbok"],
        "units": ["SE-unit"],
        "group": listed[1]["group"],
        "aside": None,
    }
    table = budkavle.out("dead", "list")
    assert "2026-11-25 11:58" in table  # Swedish winter time
    assert TOLVAN not in table


_CHOSEN = {
    "fetcher": ["fe", "ff"],
    "--reason bug": ["fa", "co"],
    "--source se-TIDBOK": ["fa", "fe", "co"],
    "--source SE-other": ["fa"],
    "--id fe --id no": ["fe", "no"],
    "composer --reason source_fault": [],
    "--unit se-unit": ["fa", "fe", "co"],
    "--since 2026-11-25T12:00": ["fa", "fe", "ff", "co", "no"],
    "--since 2026-11-25T12:01": [],
}


def test_letters_are_chosen_by_stage_reason_source_and_id(
    budkavle: CommandLine, graveyard: Broker
) -> None:
    assert {filters: ids(budkavle, *filters.split()) for filters in _CHOSEN} == _CHOSEN


def test_show_tells_the_history_and_hides_the_patient(
    budkavle: CommandLine, graveyard: Broker
) -> None:
    (shown,) = budkavle.json("dead", "show", "co")
    assert [failure["error"] for failure in shown["history"]] == ["KeyError"] * 3
    assert shown["message"]["booking"]["source_system"] == "SE-tidbok"
    assert shown["message"]["booking"]["patient"] == "(hidden)"
    told = budkavle.out("dead", "show", "co")
    assert "KeyError" in told
    for hidden in (TOLVAN, SECRET):
        assert hidden not in told
        assert hidden not in str(shown)


def test_showing_what_is_not_there(budkavle: CommandLine, graveyard: Broker) -> None:
    assert budkavle.run("dead", "show", "zz").exit_code == 1


def test_a_replayed_letter_is_handed_to_its_stage_with_its_history(
    budkavle: CommandLine, graveyard: Broker
) -> None:
    assert (
        budkavle.out("dead", "replay", "--id", "fe", "--follow", "0") == "1 dead letter replayed.\n"
    )
    assert ids(budkavle) == ["fa", "ff", "co", "no"]
    envelope = Reader(graveyard, "fetcher").next_one().envelope
    assert (envelope.message_id, envelope.attempt, envelope.replays) == ("fe", 1, 1)
    assert len(envelope.history) == 3
    assert (envelope.dead_reason, envelope.dead_since) == ("", None)


def test_replay_of_everything_tells_the_stages(budkavle: CommandLine, graveyard: Broker) -> None:
    told = budkavle.json("dead", "replay", "--all", "--follow", "0")
    assert told["replayed"] == 5
    assert told["stages"] == {"filter": 1, "fetcher": 2, "composer": 1, "notifier": 1}
    assert (told["unknown"], told["came_back"], told["stopped"]) == (5, 0, "")
    assert ids(budkavle) == []
    waiting = {state["stage"]: state["ready"] for state in budkavle.json("queues")}
    assert waiting == {"filter": 1, "fetcher": 2, "composer": 1, "notifier": 1}


def test_what_cannot_be_decoded_can_be_shown_and_discarded(
    budkavle: CommandLine, graveyard: Broker
) -> None:
    (shown,) = budkavle.json("dead", "show", "ff")
    assert shown["message"]["bytes"] == 1
    budkavle.out("dead", "discard", "--id", "ff", "--yes", "--note", "not ours")
    assert "ff" not in ids(budkavle)


def test_discard_asks_first(budkavle: CommandLine, graveyard: Broker) -> None:
    discard = ["dead", "discard", "fetcher", "--note", "old"]
    refused = budkavle.run(*discard, typed="n\n")
    assert refused.exit_code == 1
    assert "Discard 2 dead letters? They can be restored for 30 days." in refused.stderr
    assert len(ids(budkavle)) == 5
    assert "2 dead letters discarded." in budkavle.out(*discard, typed="y\n")
    assert ids(budkavle) == ["fa", "co", "no"]


def test_discard_without_anyone_to_ask_discards_nothing(
    budkavle: CommandLine, graveyard: Broker
) -> None:
    assert budkavle.run("dead", "discard", "--all", "--note", "old", typed="").exit_code == 1
    assert len(ids(budkavle)) == 5


def test_when_nothing_matches_scripts_can_tell(budkavle: CommandLine, graveyard: Broker) -> None:
    commands = ["replay", "discard --yes --note old", "discard --note old", "park --note old"]
    for command in (*commands, "restore"):
        result = budkavle.run("dead", *command.split(), "--reason", "no_such_reason")
        said = command, result.exit_code, result.stderr
        assert said == (command, 1, "budkavle: no dead letter matches\n")
    assert len(ids(budkavle)) == 5


def test_an_empty_list_is_no_failure(budkavle: CommandLine, broker: Broker) -> None:
    assert budkavle.json("dead", "list") == []
    assert budkavle.out("dead", "list") == "No dead letters.\n"


def test_a_stage_that_does_not_exist_is_wrong_usage(budkavle: CommandLine) -> None:
    assert budkavle.run("dead", "list", "ingest").exit_code == 2


def test_queues_tells_every_stage(budkavle: CommandLine, graveyard: Broker) -> None:
    states = budkavle.json("queues")
    assert {state["stage"]: state["dead"] for state in states} == {
        "filter": 1,
        "fetcher": 2,
        "composer": 1,
        "notifier": 1,
    }
    assert "composer" in budkavle.out("queues")


@pytest.mark.parametrize(
    "command", [["replay"], ["park", "--note", "x"], ["discard", "--yes", "--note", "x"]]
)
def test_everything_is_meant_by_all_alone(
    budkavle: CommandLine, graveyard: Broker, command: list[str]
) -> None:
    result = budkavle.run("dead", *command)
    assert result.exit_code == 2
    assert "--all" in result.stderr
    assert budkavle.run("dead", *command, "fetcher", "--all").exit_code == 2
    assert len(ids(budkavle)) == 5


def test_discard_wants_to_know_why(budkavle: CommandLine, graveyard: Broker) -> None:
    assert budkavle.run("dead", "discard", "fetcher", "--yes").exit_code == 2
    assert budkavle.run("dead", "discard", "fetcher", "--yes", "--note", " ").exit_code == 2
    assert len(ids(budkavle)) == 5


def test_a_discarded_letter_can_be_restored(budkavle: CommandLine, graveyard: Broker) -> None:
    before = budkavle.json("dead", "list")
    budkavle.out("dead", "discard", "--id", "fe", "--yes", "--note", f"{TOLVAN} moved")
    (gone,) = budkavle.json("dead", "list", "--in", "discarded")
    assert (gone["id"], gone["aside"]["note"]) == ("fe", "[person] moved")
    assert budkavle.out("dead", "restore", "fetcher") == "1 dead letter restored.\n"
    assert sorted(map(str, budkavle.json("dead", "list"))) == sorted(map(str, before))


def test_a_parked_letter_is_out_of_the_alert_and_still_there(
    budkavle: CommandLine, graveyard: Broker
) -> None:
    budkavle.out("dead", "park", "--id", "co", "--note", "waits for the supplier", "--by", "anna")
    assert "co" not in ids(budkavle)
    assert ids(budkavle, "--in", "parked") == ["co"]
    (state,) = [one for one in budkavle.json("queues") if one["stage"] == "composer"]
    assert (state["dead"], state["parked"]) == (0, 1)
    (shown,) = budkavle.json("dead", "show", "co")
    assert shown["letter"]["aside"]["by"] == "anna"
    assert budkavle.out("dead", "restore", "composer", "--parked") == "1 dead letter restored.\n"
    assert "co" in ids(budkavle)


def test_groups_count_what_is_alike(budkavle: CommandLine, broker: Broker) -> None:
    bury(broker, "fetcher", *(letter(f"a{number}", change()) for number in range(3)))
    bury(broker, "fetcher", letter("b", change(), reason="source_down"))
    largest, other = budkavle.json("dead", "groups")
    assert (largest["count"], largest["reason"], largest["example"]) == (3, "source_fault", "a0")
    assert largest["error"] == "Fault the source answered a Fault"
    assert largest["oldest"] == largest["newest"] == "2026-11-25T11:00:00+00:00"
    assert other["count"] == 1
    assert ids(budkavle, "--group", other["id"]) == ["b"]
    assert largest["id"] in budkavle.out("dead", "groups")
    replayed = budkavle.json("dead", "replay", "--group", largest["id"], "--follow", "0")
    assert replayed["replayed"] == 3


def test_a_long_list_is_cut_and_says_so(budkavle: CommandLine, broker: Broker) -> None:
    bury(broker, "fetcher", *(letter(f"l{number}", change()) for number in range(60)))
    table = budkavle.out("dead", "list")
    assert "l49" in table
    assert "l50" not in table
    assert "… 10 more" in table
    assert len(ids(budkavle)) == 60
    assert len(ids(budkavle, "--limit", "7")) == 7


def test_an_export_is_for_the_owner_alone_and_without_the_patient(
    budkavle: CommandLine, graveyard: Broker, tmp_path: Path
) -> None:
    file = tmp_path / "letters.jsonl"
    budkavle.out("dead", "export", "--to", str(file))
    lines = file.read_text().splitlines()
    assert [json.loads(line)["letter"]["id"] for line in lines] == ["fa", "fe", "ff", "co", "no"]
    assert not any(hidden in file.read_text() for hidden in (TOLVAN, SECRET))
    assert file.stat().st_mode & 0o777 == 0o600
    assert budkavle.run("dead", "export", "--to", str(file)).exit_code == 2  # it is there
    assert len(budkavle.out("dead", "export").splitlines()) == 5


def test_a_dry_run_replays_nothing(budkavle: CommandLine, graveyard: Broker) -> None:
    told = budkavle.json("dead", "replay", "fetcher", "--dry-run")
    assert told["would_replay"] == 2
    assert len(ids(budkavle)) == 5
    assert budkavle.json("actions") == []


def test_actions_tell_who_did_what_to_which_why_and_with_what_outcome(
    budkavle: CommandLine, graveyard: Broker
) -> None:
    budkavle.out("dead", "discard", "--id", "ff", "--yes", "--note", "not ours", "--by", "anna")
    budkavle.out("dead", "replay", "fetcher", "--by", "bo", "--follow", "0")
    ended, begun, discarded, _ = budkavle.json("actions")
    assert (begun["action"], begun["by"], begun["subject"]) == ("dead replay", "bo", "fetcher")
    assert (begun["outcome"], begun["run"]) == ("begun", ended["run"])
    assert ended["outcome"].startswith("replayed 1, passed 0")
    assert (discarded["why"], discarded["outcome"]) == ("not ours", "1 dead letter")
    assert len(budkavle.json("actions", "--by", "anna")) == 2
    assert "not ours" in budkavle.out("actions", "--action", "dead discard")


def test_another_operator_is_named(
    budkavle: CommandLine, graveyard: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("embedded", "rabbitmq"):
        monkeypatch.setattr(f"shared.relay.{kind}.broker.HOLD_WITHIN", 0.2)
    with graveyard.hold_dead("fetcher", by="anna", doing="replaying: 7 so far"):
        result = budkavle.run("dead", "replay", "fetcher")
    assert result.exit_code == 3
    assert "the dead letters of fetcher are held by anna since" in result.stderr
    assert "replaying: 7 so far" in result.stderr
    assert [one["outcome"] for one in budkavle.json("actions")] == [
        "failed: DeadQueueBusy",
        "begun",
    ]
