"""No word that the glossary has given up stands where its scope says that it is gone.

The list is the last table of `docs/glossary.md`; nothing of it stands here.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
HEADING = "## Words that are not used any more"

#: Written by a program (`make bench`), or about the past, in the words of their time.
_LEFT_OUT = {GLOSSARY, ROOT / "docs" / "benchmarks.md", ROOT / "CHANGELOG.md", Path(__file__)}
_CODE = ("ingest", "filter", "fetcher", "composer", "notifier", "shared", "console", "sandbox")
_FOLDERS = {
    "docs": ("docs",),
    "code": ("docs", "deploy", *_CODE),
    "everywhere": ("docs", "deploy", *_CODE, "tests"),
}
_SUFFIXES = {".py", ".md", ".yaml", ".json", ".toml", ".j2", ".html", ".txt", ".xsd", ".wsdl"}


class Word(NamedTuple):
    """A word that is not used any more."""

    word: str
    pattern: re.Pattern[str]
    scope: str


def words() -> Iterator[Word]:
    _, _, part = GLOSSARY.read_text().partition(HEADING)
    for line in part.splitlines():
        # A bar within a cell is written `\|`.
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
        if len(cells) == 6 and cells[3].startswith("`"):
            text = cells[3].strip("`").replace(r"\|", "|")
            yield Word(cells[1], compiled(text), cells[4])


def compiled(text: str) -> re.Pattern[str]:
    without_escapes = re.sub(r"\\.", "", text)
    return re.compile(text, 0 if re.search("[A-Z]", without_escapes) else re.IGNORECASE)


def files_of(scope: str) -> Iterator[Path]:
    yield from (ROOT / "README.md", ROOT / "CONTRIBUTING.md")
    for folder in _FOLDERS[scope]:
        yield from (file for file in (ROOT / folder).rglob("*") if file.suffix in _SUFFIXES)


def places(word: Word) -> list[str]:
    """Where `word` stands, as file:line."""
    return [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in files_of(word.scope)
        if file not in _LEFT_OUT and file.is_file()
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if word.pattern.search(line)
    ]


@pytest.mark.parametrize("word", list(words()), ids=lambda word: word.word)
def test_the_word_is_gone(word: Word) -> None:
    assert places(word) == []


def test_the_list_is_read_whole() -> None:
    _, _, part = GLOSSARY.read_text().partition(HEADING)
    rows = [line for line in part.splitlines() if line.startswith("| ")]
    assert len(list(words())) == len(rows) - 1 > 0  # the first row is the head of the table


def test_a_word_that_stands_somewhere_is_found() -> None:
    everywhere = Word("relay", compiled(r"\bthe relay\b"), "everywhere")
    assert any(place.startswith("docs/") for place in places(everywhere))
    assert any(place.startswith("shared/") for place in places(everywhere))


def test_a_capital_letter_makes_the_search_exact() -> None:
    assert not compiled(r"\bTold\b").search("was told")
    assert compiled(r"\bhop\b").search("One Hop")
