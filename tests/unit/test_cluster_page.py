"""The figures of `make chaos-cluster` in docs/failover.md."""

from typing import Any

from tests.cluster.page import BEGIN, END, PAGE, section, with_section

ACCOUNTS = dict.fromkeys(
    (
        *("accepted", "inbox", "lost", "duplicated", "second_messages", "false_kinds"),
        *("notices_due", "notices_missing", "notices_twice", "dead_unexplained", "index_dead"),
        *("seed", "machine_load"),
    ),
    0,
)


def run(broker: str, what: str, seconds: dict[str, float], **accounts: Any) -> dict[str, Any]:
    stages = dict.fromkeys(("ingest", "filter", "fetcher", "composer", "notifier"), 0.1) | seconds
    versions = {"broker": broker, "database": "PostgreSQL 17.1", "python": "3.13.5"}
    standstills = [{"what": what, **stages, "aim": 15}]
    return {**versions, "standstills": standstills, **ACCOUNTS, **accounts}


def test_a_row_shows_ingest_and_the_stage_that_stood_still_longest_in_each_run() -> None:
    runs = [
        run("RabbitMQ 3.10.8", "frozen for 25 s", {"ingest": 3.2, "composer": 12.7}),
        run("RabbitMQ 4.0.5", "killed for 10 s", {"ingest": 0.8}, lost=2),
    ]
    lines = section(runs).splitlines()
    assert "| frozen for 25 s | 3.2 / 12.7 |  | 15 |" in lines
    assert "| killed for 10 s |  | 0.8 / 0.8 | 15 |" in lines
    assert "| messages lost | 0 | 2 |" in lines


def test_it_stands_between_its_markers() -> None:
    page = PAGE.read_text()
    assert with_section(page, f"{BEGIN}\nx\n{END}").count("\nx\n") == 1
    assert page.count(BEGIN) == page.count(END) == 1
