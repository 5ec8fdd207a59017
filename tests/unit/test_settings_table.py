"""The table of settings is what the classes say, in docs/settings.md and on the command line."""

import json
import os
import subprocess
import sys

from console.settings_table import all_settings, markdown
from tests.settings_page import PAGE, with_table


def test_the_page_holds_the_table_of_the_settings_classes() -> None:
    text = PAGE.read_text()
    assert with_table(text) == text, "run `make docs`"


def test_every_setting_says_what_it_does() -> None:
    assert [setting.name for setting in all_settings() if not setting.description] == []


def test_a_setting_of_two_processes_stands_once_with_both() -> None:
    read_by = {setting.name: setting.read_by for setting in all_settings()}
    assert read_by["BUDKAVLE_INGEST_BIND"] == ("ingest", "sandbox")
    assert read_by["BUDKAVLE_BROKER_URL"] == ("all",)
    assert len(all_settings()) == len(read_by)


def test_defaults_are_written_as_they_would_be_set() -> None:
    default = {setting.name: setting.default for setting in all_settings()}
    assert default["BUDKAVLE_DELAY_STEPS"] == "1 5 30 120 600 3600"
    assert default["BUDKAVLE_SMTP_STARTTLS"] == "false"
    assert default["BUDKAVLE_PLATFORM_URL"] is None
    assert default["BUDKAVLE_BROKER_URL"] == "sqlite:///budkavle-queues.sqlite3"


def test_the_table_never_shows_what_a_secret_is_set_to() -> None:
    secret = "hunter2-hunter2-hunter2"
    for option in ("--json", "--markdown"):
        shown = subprocess.run(
            [sys.executable, "-m", "console", "settings", option],
            env={**os.environ, "BUDKAVLE_SMS_PASSWORD": secret},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert "BUDKAVLE_SMS_PASSWORD" in shown
        assert secret not in shown


def test_the_command_prints_the_same_table_and_json() -> None:
    def run(option: str) -> str:
        command = [sys.executable, "-m", "console", "settings", option]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert run("--markdown").strip() == markdown()
    assert [row["name"] for row in json.loads(run("--json"))] == [
        setting.name for setting in all_settings()
    ]
