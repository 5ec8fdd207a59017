"""Rich text of the few forms a purpose may have, as plain text and as clean HTML.

HTML is written here and nowhere else, from these types alone: what has no type cannot get out.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from html import escape


@dataclass(frozen=True, slots=True)
class Hyperlink:
    """A link whose `href` has been found safe."""

    href: str
    text: str


Run = str | Hyperlink


@dataclass(frozen=True, slots=True)
class Heading:
    level: int  # 1 is the document's own title
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Items:
    ordered: bool
    items: tuple[tuple["Block", ...], ...]


Block = Heading | Paragraph | Items
RichText = tuple[Block, ...]

_WHOLE_WORDS = re.compile(r".*\s", re.DOTALL)
#: Above a purpose's own headings stand the message's subject and the heading of the purpose.
_HEADINGS_ABOVE = 2
_LOWEST_HEADING = 6


def to_text(blocks: RichText) -> str:
    """Paragraphs with a blank line between them, list items with `-` or a number."""
    return "\n\n".join("\n".join(_text_lines(block)) for block in blocks)


def _text_lines(block: Block) -> Iterator[str]:
    if not isinstance(block, Items):
        yield from "".join(_run_text(run) for run in block.runs).split("\n")
        return
    for number, item in enumerate(block.items, start=1):
        lead = f"{number}. " if block.ordered else "- "
        lines = [line for part in item for line in _text_lines(part)]
        for index, line in enumerate(lines):
            yield (" " * len(lead) if index else lead) + line


def _run_text(run: Run) -> str:
    if isinstance(run, str):
        return run
    shown = run.href.removeprefix("mailto:").removeprefix("tel:")
    return run.text if run.text in (run.href, shown) else f"{run.text} ({shown})"


def to_html(blocks: RichText) -> str:
    """A fragment of headings, paragraphs, lists and links; nothing else can be in it."""
    return "\n".join(_html(block) for block in blocks)


def _html(block: Block) -> str:
    match block:
        case Heading(level, runs):
            tag = f"h{min(level + _HEADINGS_ABOVE, _LOWEST_HEADING)}"
            return f"<{tag}>{_runs_html(runs)}</{tag}>"
        case Paragraph(runs):
            return f"<p>{_runs_html(runs)}</p>"
        case Items(ordered, items):
            tag = "ol" if ordered else "ul"
            return f"<{tag}>{''.join(map(_item_html, items))}</{tag}>"


def _item_html(item: tuple[Block, ...]) -> str:
    """An item of one paragraph needs no paragraph of its own."""
    if len(item) == 1 and isinstance(item[0], Paragraph):
        return f"<li>{_runs_html(item[0].runs)}</li>"
    return f"<li>{''.join(map(_html, item))}</li>"


def _runs_html(runs: Iterable[Run]) -> str:
    return "".join(map(_run_html, runs))


def _run_html(run: Run) -> str:
    if isinstance(run, str):
        return escape(run).replace("\n", "<br>")
    return f'<a href="{escape(run.href)}" rel="noopener noreferrer">{escape(run.text)}</a>'


def beginning(text: str, most: int) -> str:
    """At most `most` characters of `text`, ended between words if it has any: half a number is
    another number."""
    if len(text) <= most:
        return text
    words = _WHOLE_WORDS.match(text[: most + 1])
    return words[0] if words else text[:most]


def shortened(blocks: Iterable[Block], most: int) -> tuple[RichText, int]:
    """The beginning of `blocks`, of at most `most` characters; and how many are left of those, or
    -1 when something was cut off. No more of `blocks` is read than that."""
    kept: list[Block] = []
    for block in blocks:
        short, most = _shortened_block(block, most)
        if short:
            kept.append(short)
        if most < 0:
            break
    return tuple(kept), most


def _shortened_block(block: Block, most: int) -> tuple[Block | None, int]:
    if isinstance(block, Items):
        items: list[tuple[Block, ...]] = []
        for item in block.items:
            short, most = shortened(item, most)
            items += [short] if short else []
            if most < 0:
                break
        return (Items(block.ordered, tuple(items)) if items else None), most
    runs, most = _shortened_runs(block.runs, most)
    return (replace(block, runs=runs) if runs else None), most


def _shortened_runs(runs: tuple[Run, ...], most: int) -> tuple[tuple[Run, ...], int]:
    kept: list[Run] = []
    for run in runs:
        size = len(run) if isinstance(run, str) else len(run.text)
        if size > most:
            part = beginning(run, most).rstrip() if isinstance(run, str) else ""
            return (*kept, *([part] if part else [])), -1
        kept.append(run)
        most -= size
    return tuple(kept), most
