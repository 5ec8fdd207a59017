"""What an operator reads when something is wrong, and where a person number is checked."""

from datetime import date
from itertools import islice

import pytest

from console.output import print_rows
from console.persons import is_genuine
from console.run import health_binds
from shared.store.causes import cause_of

TODAY = date(2026, 11, 25)


@pytest.mark.parametrize("person", ["191212121212", "201212121212"])
def test_a_right_number_is_genuine(person: str) -> None:
    assert is_genuine(person, TODAY)


@pytest.mark.parametrize(
    "person",
    [
        "191212121213",  # check digit
        "191213121212",  # month
        "191202301212",  # day
        "209912121212",  # not born yet
        "19121212T212",  # a reserve number
    ],
)
def test_a_wrong_date_a_wrong_check_digit_and_a_reserve_number_are_not(person: str) -> None:
    assert not is_genuine(person, TODAY)


def test_the_day_of_a_coordination_number_is_sixty_higher() -> None:
    numbers = [f"19121272121{digit}" for digit in range(10)]
    assert sum(is_genuine(number, TODAY) for number in numbers) == 1
    assert not any(is_genuine(f"19121292121{digit}", TODAY) for digit in range(10))


@pytest.mark.parametrize(
    ("bind", "binds"),
    [
        ("0.0.0.0:9100", ["0.0.0.0:9100", "0.0.0.0:9101", "0.0.0.0:9102"]),
        ("127.0.0.1:0", ["127.0.0.1:0"] * 3),
    ],
)
def test_stages_of_one_command_have_ports_that_follow_each_other(
    bind: str, binds: list[str]
) -> None:
    assert list(islice(health_binds(bind), 3)) == binds


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('FATAL:  password authentication failed for user "anna"', "wrong user or password"),
        ('FATAL:  database "x" does not exist', "no such database"),
        ('FATAL:  role "anna" does not exist', "no such user"),
        ("failed to resolve host 'db.invalid': [Errno -2] Name or service not known",
         "no such host"),
        ('connection to server at "127.0.0.1", port 1 failed: Connection refused',
         "connection refused"),
        ("connection timeout expired", "no answer"),
        ("unable to open database file", "the file cannot be opened"),
        ("something else about anna", "ValueError"),
    ],
)  # fmt: skip
def test_causes_of_a_database_failure_are_told_apart(text: str, cause: str) -> None:
    assert cause_of(ValueError(text)) == cause


def test_no_word_is_broken_at_the_edge_of_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    long_word = "BUDKAVLE_NOTIFIER_REPORT_SECRET"
    print_rows([{"id": "x", "meaning": f"what {long_word} is good for"}], empty="")
    assert long_word in capsys.readouterr().out
