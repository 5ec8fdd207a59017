"""`budkavle dead` and `budkavle queues` on both brokers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.relay.broker import Broker
from tests.brokers import Reader, opened
from tests.command_line import CommandLine
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
def budkavle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker_url: str) -> CommandLine:
    command_line = CommandLine(tmp_path, monkeypatch)
    command_line.set("BROKER_URL", broker_url)
    return command_line


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
    }
    table = budkavle.out("dead", "list")
    assert "2026-11-25 11:58" in table  # Swedish winter time
    assert TOLVAN not in table


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["fetcher"], ["fe", "ff"]),
        (["--reason", "bug"], ["fa", "co"]),
        (["--source", "se-TIDBOK"], ["fa", "fe", "co"]),
        (["--source", "SE-other"], ["fa"]),
        (["--id", "fe", "--id", "no"], ["fe", "no"]),
        (["composer", "--reason", "source_fault"], []),
    ],
)
def test_letters_are_chosen_by_stage_reason_source_and_id(
    budkavle: CommandLine, graveyard: Broker, filters: list[str], expected: list[str]
) -> None:
    assert ids(budkavle, *filters) == expected


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
    assert budkavle.out("dead", "replay", "--id", "fe") == "1 dead letter replayed.\n"
    assert ids(budkavle) == ["fa", "ff", "co", "no"]
    envelope = Reader(graveyard, "fetcher").next_one().envelope
    assert (envelope.message_id, envelope.attempt, envelope.replays) == ("fe", 1, 1)
    assert len(envelope.history) == 3
    assert (envelope.dead_reason, envelope.dead_since) == ("", None)


def test_replay_of_everything_tells_the_stages(budkavle: CommandLine, graveyard: Broker) -> None:
    assert budkavle.json("dead", "replay") == {
        "replayed": 5,
        "stages": {"filter": 1, "fetcher": 2, "composer": 1, "notifier": 1},
    }
    assert ids(budkavle) == []
    waiting = {state["stage"]: state["ready"] for state in budkavle.json("queues")}
    assert waiting == {"filter": 1, "fetcher": 2, "composer": 1, "notifier": 1}


def test_what_cannot_be_decoded_can_be_shown_and_discarded(
    budkavle: CommandLine, graveyard: Broker
) -> None:
    (shown,) = budkavle.json("dead", "show", "ff")
    assert shown["message"]["bytes"] == 1
    budkavle.out("dead", "discard", "--id", "ff", "--yes")
    assert "ff" not in ids(budkavle)


def test_discard_asks_first(budkavle: CommandLine, graveyard: Broker) -> None:
    refused = budkavle.run("dead", "discard", "fetcher", typed="n\n")
    assert refused.exit_code == 1
    assert "Discard 2 dead letters for good?" in refused.stderr
    assert len(ids(budkavle)) == 5
    assert "2 dead letters discarded." in budkavle.out("dead", "discard", "fetcher", typed="y\n")
    assert ids(budkavle) == ["fa", "co", "no"]


def test_discard_without_anyone_to_ask_discards_nothing(
    budkavle: CommandLine, graveyard: Broker
) -> None:
    assert budkavle.run("dead", "discard", typed="").exit_code == 1
    assert len(ids(budkavle)) == 5


@pytest.mark.parametrize("command", [["replay"], ["discard", "--yes"], ["discard"]])
def test_when_nothing_matches_scripts_can_tell(
    budkavle: CommandLine, graveyard: Broker, command: list[str]
) -> None:
    result = budkavle.run("dead", *command, "--reason", "no_such_reason")
    assert result.exit_code == 1
    assert result.stderr == "budkavle: no dead letter matches\n"
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
