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
FRONT = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = [*(page for page in FRONT if page.exists()), *sorted((ROOT / "docs").glob("*.md"))]
DOMAIN_PAGE = ROOT / "docs" / "domain.md"
PACKAGES = ("ingest", "filter", "fetcher", "composer", "notifier", "shared", "console", "sandbox")


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
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|\n)make ([a-z0-9-]+)", code(page))) <= targets


def test_links_lead_to_files(page: Path) -> None:
    for link in re.findall(r"(?:\]\(|src=\")([^)#\"]+)[)\"]", page.read_text()):
        if not link.startswith("https://"):
            assert (page.parent / link).exists(), link


def test_pictures_are_small_and_ask_nobody_else() -> None:
    pictures = list((ROOT / "docs" / "images").iterdir())
    assert [picture.name for picture in pictures if picture.stat().st_size > 60_000] == []
    for drawing in (picture for picture in pictures if picture.suffix == ".svg"):
        assert not re.search(r"(href|src|url)\W+https?:", drawing.read_text())


def test_files_that_pages_name_exist(page: Path) -> None:
    folders = "|".join((*PACKAGES, "docs", "tests", "deploy"))
    for name in re.findall(rf"^((?:{folders})/[\w./-]+)$", code(page), re.MULTILINE):
        assert (ROOT / name).exists(), name


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


def headings(page: Path) -> set[str]:
    return set(re.findall(r"^#+ (.+?) *$", page.read_text(), re.MULTILINE))


def prose(file: Path) -> str:
    """The text of `file` on one line, so that a citation may run over the end of a line."""
    return re.sub(r"\s*\n\s*(#:? )?", " ", file.read_text())


def citing_files() -> list[Path]:
    folders = [ROOT / name for name in (*PACKAGES, "tests")]
    return [file for folder in folders for file in folder.rglob("*.py") if file != Path(__file__)]


def cited(text: str) -> list[str]:
    """What `text` cites of the domain; "" for a citation without a heading."""
    tail = r'((?:(?:,| and)? "[^"]+")*)'
    found = re.findall(rf"docs/domain\.md{tail}", text)
    return [name for names in found for name in re.findall('"([^"]+)"', names) or [""]]


def test_citations_of_the_domain_name_headings() -> None:
    known = headings(DOMAIN_PAGE)
    wrong = {
        (str(file.relative_to(ROOT)), heading)
        for file in citing_files()
        for heading in cited(prose(file))
        if heading not in known
    }
    assert wrong == set()


def test_a_citation_without_a_heading_is_seen() -> None:
    assert cited('(docs/domain.md, "Times" and "The notice")') == ["Times", "The notice"]
    assert cited("as docs/domain.md has it") == [""]


def test_the_overview_quotes_the_benchmarks() -> None:
    overview = prose(ROOT / "docs" / "oversikt.md")
    measured = (ROOT / "docs" / "benchmarks.md").read_text()
    [rate] = groups(r"\*\*(\d+) notifications/s\*\*", measured)
    assert f"**{rate} notifieringar i sekunden**" in overview
    assert f"**{int(rate) * 86_400 / 1e6:.0f} miljoner per dygn**" in overview
    table = r"\n\| p50 \| p95 \| p99 \|\n\|[-:|]+\|\n"
    median, slowest = groups(table + r"\| (\d+) ms \| \d+ ms \| (\d+) ms \|", measured)
    assert (
        f"meddelande {median} ms, och 99 av 100 meddelanden är sparade inom {slowest} ms"
        in overview
    )


def test_the_overview_quotes_the_settings() -> None:
    overview = prose(ROOT / "docs" / "oversikt.md")
    defaults = {setting.name: setting.default for setting in all_settings()}
    for what in ("INBOX", "NOTICE", "WATERMARK"):
        assert f"{defaults[f'BUDKAVLE_RETAIN_{what}_DAYS']} dagar, ställbart" in overview


def groups(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    assert match, pattern
    return match.groups()
