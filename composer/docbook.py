"""The `purpose` of a booking: plain text, DocBook 5 or HTML, read into rich text.

It comes from booking systems and is trusted with nothing. What cannot be parsed or is too deep
becomes plain text; nothing here raises (docs/domain.md, "The reply"). Every element but those
within a sentence begins and ends a line at least (docs/domain.md, "How a purpose is read").
"""

import re
from collections.abc import Iterator
from html import unescape
from itertools import groupby
from urllib.parse import urlsplit

from composer import elements
from composer.characters import LINE, LINE_END, legible, printable
from composer.elements import name_of
from composer.markup import MAX_MARKUP, looks_like_markup, parse, without_markup
from composer.richtext import (
    Block,
    Heading,
    Hyperlink,
    Items,
    Paragraph,
    RichText,
    Run,
    beginning,
    shortened,
)
from shared.riv.xml import Element, without_forbidden_characters

#: Far above any real call letter; what is beyond is cut off, and the text says so.
MAX_CHARACTERS = 50_000
CUT_OFF = (
    "Texten är för lång för att visas i sin helhet:"
    " kontakta mottagningen om du vill ha hela texten."
)

_SAFE_SCHEMES = {"http", "https", "mailto", "tel"}
_XLINK = "{http://www.w3.org/1999/xlink}href"
_SPACES = re.compile(rf"[^\S{LINE}{LINE_END}]+")
_LINE_BREAK = re.compile(rf" ?[{LINE}{LINE_END}][ {LINE}{LINE_END}]*")
_FIGURES = re.compile(r"[0-9+()-]{1,12}")
_RAISED = str.maketrans("0123456789+-()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾")
_LOWERED = str.maketrans("0123456789+-()", "₀₁₂₃₄₅₆₇₈₉₊₋₍₎")
_BETWEEN_CELLS = " | "
_EMPTY_CELL = (" ",)
#: A title inside a list is the lowest heading there is.
_LIST_LEVEL = 4


def read(purpose: str) -> RichText:
    """`purpose` as rich text; empty when it says nothing."""
    text = legible(purpose).strip()
    if text.startswith("&lt;"):
        text = unescape(without_forbidden_characters(text))  # encoded once more than it should be
    if not looks_like_markup(text):
        return _plain(text)
    is_cut = len(purpose) >= MAX_MARKUP
    parsed = parse(text, enough=MAX_CHARACTERS)
    if parsed is None:
        return _plain(without_markup(text), is_cut=is_cut)
    kept, left = shortened(_Reader(parsed.root).blocks(parsed.root, level=1), MAX_CHARACTERS)
    is_all = left >= 0 and parsed.is_whole and not is_cut
    return kept if is_all else (*kept, Paragraph((CUT_OFF,)))


def _plain(text: str, *, is_cut: bool = False) -> RichText:
    """Plain text as paragraphs: a blank line parts them, other line ends stay."""
    kept = beginning(text, MAX_CHARACTERS)
    parts = (_lines(part) for part in re.split(r"\n\s*\n", printable(kept)))
    blocks = [Paragraph((part,)) for part in parts if part]
    if is_cut or len(text) > MAX_CHARACTERS:
        blocks.append(Paragraph((CUT_OFF,)))
    return tuple(blocks)


def _lines(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.strip().split("\n"))


class _Reader:
    """Reads a tree. An element is a block, a line (a row of a table, or unknown), or inline."""

    def __init__(self, root: Element) -> None:
        self._rows: dict[Element, list[tuple[Run, ...]]] = {}
        self._with_blocks: set[Element] = set()
        for element in root.iter("*"):
            if name_of(element) in elements.BLOCKS:
                self._mark_those_around(element)

    def _mark_those_around(self, block: Element) -> None:
        for around in block.iterancestors():
            if around in self._with_blocks or self._is_line_of_cells(around):
                break
            self._with_blocks.add(around)

    def _is_block(self, element: Element) -> bool:
        name = name_of(element)
        if name in elements.LINKS and _safe_href(element):
            return False
        return name in elements.BLOCKS or element in self._with_blocks

    def blocks(self, element: Element, level: int, *, literal: bool = False) -> Iterator[Block]:
        """The blocks of a container. Text that stands between its blocks is a paragraph."""
        literal = literal or name_of(element) in elements.LITERAL
        loose: list[Run] = [_text(element.text, literal=literal)]
        for child in element:
            if self._is_block(child):
                yield from _paragraph(loose)
                loose = []
                yield from self._block(child, level, literal=literal)
            else:
                loose.extend(self._runs(child, literal=literal))
            loose.append(_text(child.tail, literal=literal))
        yield from _paragraph(loose)

    def _block(self, element: Element, level: int, *, literal: bool) -> Iterator[Block]:
        name = name_of(element)
        if name in elements.HEADINGS:
            yield from self._heading(element, elements.HTML_HEADINGS.get(name, level))
        elif name in elements.LISTS:
            yield from self._items(element, literal=literal)
        else:
            inner_level = level + (name in elements.SECTIONS)
            yield from self.blocks(element, inner_level, literal=literal)

    def _heading(self, element: Element, level: int) -> Iterator[Block]:
        if runs := _tidy(self._inner_runs(element)):
            yield Heading(level, runs)

    def _items(self, element: Element, *, literal: bool) -> Iterator[Block]:
        """What stands in a list outside of its items counts as an item: nothing is lost."""
        entries = [tuple(_paragraph([_text(element.text, literal=literal)]))]
        for item in element:
            entries.append(tuple(self._item(item, literal=literal)))
            entries.append(tuple(_paragraph([_text(item.tail, literal=literal)])))
        if kept := tuple(entry for entry in entries if entry):
            yield Items(name_of(element) in elements.ORDERED, kept)

    def _item(self, item: Element, *, literal: bool) -> Iterator[Block]:
        if self._is_block(item):
            yield from self._block(item, _LIST_LEVEL, literal=literal)
        else:
            yield from _paragraph(self._runs(item, literal=literal))

    def _inner_runs(self, element: Element, *, literal: bool = False) -> list[Run]:
        runs: list[Run] = [_text(element.text, literal=literal)]
        for child in element:
            runs.extend(self._runs(child, literal=literal))
            runs.append(_text(child.tail, literal=literal))
        return runs

    def _runs(self, element: Element, *, literal: bool = False) -> list[Run]:
        name = name_of(element)
        if not name or name in elements.HIDDEN:
            return [LINE]
        if self._is_line_of_cells(element):
            return [LINE, *_between(self._cells(element), _BETWEEN_CELLS), LINE]
        inner = self._inner_runs(element, literal=literal or name in elements.LITERAL)
        if name in elements.LINKS and (href := _safe_href(element)):
            return _linked(inner, href)
        if name in elements.BREAKS:
            return [LINE_END, *inner]
        return _shifted(name, inner) if name in elements.INLINE else [LINE, *inner, LINE]

    def _is_line_of_cells(self, element: Element) -> bool:
        """Whether it is a row whose cells have a line each at most."""
        if name_of(element) not in elements.ROWS:
            return False
        runs = (run for cell in self._cells(element) for run in cell)
        return not any(isinstance(run, str) and "\n" in run for run in runs)

    def _cells(self, row: Element) -> list[tuple[Run, ...]]:
        """Empty ones, too, so that the others keep their columns."""
        if row not in self._rows:
            cells = [_tidy([row.text or ""])]
            for child in row:
                cells += [_tidy(self._runs(child)) or _EMPTY_CELL, _tidy([child.tail or ""])]
            kept = [cell for cell in cells if cell]
            self._rows[row] = kept if any(cell != _EMPTY_CELL for cell in kept) else []
        return self._rows[row]


def _text(text: str | None, *, literal: bool) -> str:
    if not text:
        return ""
    return text.replace("\n", LINE_END) if literal else text


def _between(parts: list[tuple[Run, ...]], separator: Run) -> Iterator[Run]:
    for number, part in enumerate(parts):
        if number:
            yield separator
        yield from part


def _shifted(name: str, runs: list[Run]) -> list[Run]:
    """10 to the power of 6 must not read as 106."""
    table = _RAISED if name in elements.RAISED else _LOWERED if name in elements.LOWERED else None
    text = "".join(map(str, runs)).strip()
    return [text.translate(table)] if table and _FIGURES.fullmatch(text) else runs


def _paragraph(runs: list[Run]) -> Iterator[Block]:
    if tidy := _tidy(runs):
        yield Paragraph(tidy)


def _linked(runs: list[Run], href: str) -> list[Run]:
    """`runs` as a link; of several lines, each is one. What stands around the words stays."""
    text = "".join(run if isinstance(run, str) else run.text for run in runs)
    lines = [line for line in _folded(text).strip().split("\n") if line]
    if not lines:
        return [text, " ", Hyperlink(href, href), " "]
    lead, trail = text[: -len(text.lstrip())], text[len(text.rstrip()) :]
    return [lead, *_between([(Hyperlink(href, line),) for line in lines], LINE), trail]


def _safe_href(element: Element) -> str:
    """The target of a link if it is of a kind that only leads somewhere, else ""."""
    named = {str(key).lower(): str(value) for key, value in element.attrib.items()}
    target = named.get("url") or named.get(_XLINK) or named.get("href") or ""
    href = "".join(target.split())
    try:
        parts = urlsplit(href)
    except ValueError:
        return ""
    if parts.scheme not in _SAFE_SCHEMES:
        return ""
    return href if parts.scheme in {"mailto", "tel"} or parts.netloc else ""


def _folded(text: str) -> str:
    """White space as XML means it, one space; and line breaks, where there are any, `\\n`."""
    return _LINE_BREAK.sub(_line_break, _SPACES.sub(" ", legible(text)))


def _line_break(found: re.Match[str]) -> str:
    return "\n\n" if found[0].count(LINE_END) > 1 else "\n"


def _tidy(runs: list[Run]) -> tuple[Run, ...]:
    """Runs without white space at their ends; none when they say nothing."""
    if not any(isinstance(run, Hyperlink) or run.strip() for run in runs):
        return ()
    tidy: list[Run] = []
    for kind, group in groupby(runs, key=type):
        if kind is str:
            tidy.append(_folded("".join(map(str, group))))
        else:
            tidy.extend(group)
    if tidy and isinstance(tidy[0], str):
        tidy[0] = tidy[0].lstrip()
    if tidy and isinstance(tidy[-1], str):
        tidy[-1] = tidy[-1].rstrip()
    return tuple(run for run in tidy if run)
