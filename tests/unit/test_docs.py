"""What the pages for people name is there: commands, options, make targets, files."""

import re
from pathlib import Path

import pytest
import typer.main

from console.__main__ import app
from console.settings_table import all_settings
from shared.relay.topology import READING_STAGES, work_queue
from shared.store.tables import metadata

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(params=PAGES, ids=lambda path: path.name)
def page(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def code(page: Path) -> str:
    """What stands between back-ticks, and in blocks without its comments."""
    text = page.read_text()
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(
        r"(?<!`)`([^`]+)`(?!`)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    )
    return "\n".join([*(re.sub(r" +#.*", "", block) for block in blocks), *inline])


def test_commands_and_their_options_exist(page: Path) -> None:
    for line in re.findall(r"(?:^|/|exec filter )budkavle ([a-z].*)", code(page), re.MULTILINE):
        command, words = typer.main.get_group(app), line.split()
        while words and hasattr(command, "commands"):
            assert words[0] in command.commands, line
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|\n)make ([a-z-]+)", code(page))) <= targets


def test_links_lead_to_files(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not link.startswith("https://"):
            assert (page.parent / link).exists(), link


def test_the_page_on_security_forgets_no_table_and_no_queue() -> None:
    page = code(ROOT / "docs" / "security.md")
    kept = {*metadata.tables, *map(work_queue, READING_STAGES)}
    assert {name for name in kept if name not in page} == set()


def test_settings_that_pages_name_exist(page: Path) -> None:
    known = {setting.name for setting in all_settings()} | {
        *("BUDKAVLE_SECRETS_DIR", "BUDKAVLE_DEMO_BROKER", "BUDKAVLE_DEMO_DATABASE"),
        *("BUDKAVLE_TEST_SERVICES", "BUDKAVLE_CONTRACTS"),
    }
    for name in re.findall(r"BUDKAVLE_[A-Z_]+[A-Z](?![A-Z_]*…)", code(page)):
        assert name in known
