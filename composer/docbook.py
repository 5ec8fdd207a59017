"""The `purpose` of a booking: plain text, or DocBook 5 of a few elements, read into rich text.

It comes from booking systems and is trusted with nothing. What is no DocBook, is broken, too large
or too deep becomes plain text; nothing here raises (docs/domain.md, "The reply").
"""

import re
from collections.abc import Iterator
from html import unescape
from html.entities import html5
from itertools import groupby
from urllib.parse import urlsplit

from lxml import etree

from composer.richtext import Block, Heading, Hyperlink, Items, Paragraph, RichText, Run, shortened
from shared.riv.xml import MalformedXml, parse_xml

#: Far above any real call letter; what is beyond is cut off, and the text says so.
MAX_CHARACTERS = 50_000
#: Longer markup is not read as such, only the text in it.
MAX_MARKUP = 1_000_000
MAX_DEPTH = 40
CUT_OFF = (
    "Texten är för lång för att visas i sin helhet:"
    " kontakta mottagningen om du vill ha hela texten."
)

_SAFE_SCHEMES = {"http", "https", "mailto", "tel"}
_XLINK = "{http://www.w3.org/1999/xlink}href"
#: Hand-written DocBook forgets its declarations: the prefixes in common use are given ones.
_ROOT = (
    '<purpose xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:xl="http://www.w3.org/1999/xlink"'
    ' xmlns:db="http://docbook.org/ns/docbook" xmlns:xi="http://www.w3.org/2001/XInclude">'
    "{}</purpose>"
)
_PROLOGUE = re.compile(r"\A\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!DOCTYPE[^>\[]{0,500}>\s*)?")
_LOOKS_LIKE_XML = re.compile(r"\A\s*<(?:[A-Za-z_]|\?xml|!DOCTYPE|!--)")
#: What is left of markup that cannot be read: comments, sections, tags, and a tag that is cut off.
_DEBRIS = re.compile(
    r"<!--.{0,5000}?-->|<(script|style)\b.{0,5000}?</\1\s*>"
    r"|<[/?!]?[A-Za-z_][^<>]{0,2000}>"
    r"|</?[A-Za-z_][\w:.-]{0,60}(?:\s+[\w:.-]{1,60}\s*=\s*(?:\"[^\"<>]*\"?|'[^'<>]*'?)){0,20}"
    r"(?=[^<>]{0,2000}\Z)"
    r"|<!--|-->|<!\[CDATA\[|\]\]>",
    re.DOTALL | re.IGNORECASE,
)
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31};)")
_WHITE_SPACE = re.compile(r"\s+")
_XML_ENTITIES = {"amp;", "lt;", "gt;", "quot;", "apos;"}
#: Controls, lone surrogates and non-characters; and marks that turn the direction of what follows.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff"
    "\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)

_CONTAINERS = {"purpose", "article", "info", "section", "bibliography", "listitem"}
_LISTS = {"itemizedlist", "orderedlist"}
_LINKS = {"ulink", "link"}
_NEVER_SHOWN = {"script", "style"}
#: A title inside a list is the lowest heading there is.
_LIST_LEVEL = 4


def read(purpose: str) -> RichText:
    """`purpose` as rich text; empty when it says nothing."""
    text = printable(purpose).strip()
    if text.startswith("&lt;"):
        text = unescape(text)  # encoded once more than the contract says
    if not _LOOKS_LIKE_XML.match(text):
        return _plain(text)
    if len(text) >= MAX_MARKUP:
        return _plain(_without_markup(text[:MAX_MARKUP]))
    try:
        root = _parse(text)
    except MalformedXml:
        return _plain(_without_markup(text))
    return _cut(tuple(_blocks(root, level=1)))


def _without_markup(text: str) -> str:
    """Twice: markup may have been encoded inside of markup."""
    for _ in range(2):
        text = unescape(_DEBRIS.sub(" ", text))
    return text


def _cut(blocks: RichText) -> RichText:
    """With its structure, as far as it is shown."""
    kept, left = shortened(blocks, MAX_CHARACTERS)
    return kept if left >= 0 else (*kept, Paragraph((CUT_OFF,)))


def printable(text: str) -> str:
    """`text` without characters that no reader should be handed, its line ends made `\\n`."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _parse(text: str) -> etree._Element:
    body = _ENTITY.sub(_known_entity, _PROLOGUE.sub("", text, count=1))
    data = _ROOT.format(body).encode()
    return parse_xml(data, max_bytes=len(data), max_depth=MAX_DEPTH, encoding="utf-8")


def _known_entity(match: re.Match[str]) -> str:
    """Named characters of HTML, which XML without a DTD does not know; XML's own stay."""
    name = match[1]
    return match[0] if name in _XML_ENTITIES else html5.get(name, match[0])


def _plain(text: str) -> RichText:
    """Plain text as paragraphs: a blank line parts them, other line ends stay."""
    kept = text[:MAX_CHARACTERS]
    parts = (_lines(part) for part in re.split(r"\n\s*\n", printable(kept)))
    blocks = [Paragraph((part,)) for part in parts if part]
    if len(text) > MAX_CHARACTERS:
        blocks.append(Paragraph((CUT_OFF,)))
    return tuple(blocks)


def _lines(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.strip().split("\n"))


def _name(element: etree._Element) -> str:
    """The element's name in lower case, whatever its namespace."""
    return etree.QName(element).localname.lower()


def _blocks(element: etree._Element, level: int) -> Iterator[Block]:
    """The blocks of a container. Text that stands between its blocks is a paragraph."""
    loose: list[Run] = [element.text or ""]
    for child in element:
        if _is_inline(child):
            loose.extend(_runs(child))
        else:
            yield from _paragraph(loose)
            loose = []
            yield from _block(child, level)
        loose.append(child.tail or "")
    yield from _paragraph(loose)


def _is_inline(element: etree._Element) -> bool:
    """Unknown elements are inline text, unless there are blocks inside of them."""
    name = _name(element)
    if name in _NEVER_SHOWN or name in _LINKS:
        return True
    return not _is_block(name) and not any(_is_block(_name(inner)) for inner in element.iter())


def _is_block(name: str) -> bool:
    return name in _CONTAINERS or name in _LISTS or name in {"title", "para", "simpara"}


def _block(element: etree._Element, level: int) -> Iterator[Block]:
    name = _name(element)
    if name == "title":
        yield from _heading(element, level)
    elif name in _LISTS:
        yield from _items(element, ordered=name == "orderedlist")
    else:
        yield from _blocks(element, level + (name in {"section", "bibliography"}))


def _heading(element: etree._Element, level: int) -> Iterator[Block]:
    if runs := _tidy(_inner_runs(element)):
        yield Heading(level, runs)


def _items(element: etree._Element, *, ordered: bool) -> Iterator[Block]:
    """What stands in a list outside of its items counts as an item: nothing is lost."""
    entries = [tuple(_paragraph([element.text or ""]))]
    for item in element:
        entries += tuple(_blocks(item, _LIST_LEVEL)), tuple(_paragraph([item.tail or ""]))
    if kept := tuple(entry for entry in entries if entry):
        yield Items(ordered, kept)


def _paragraph(runs: list[Run]) -> Iterator[Block]:
    if tidy := _tidy(runs):
        yield Paragraph(tidy)


def _inner_runs(element: etree._Element) -> list[Run]:
    runs: list[Run] = [element.text or ""]
    for child in element:
        runs.extend(_runs(child))
        runs.append(child.tail or "")
    return runs


def _runs(element: etree._Element) -> list[Run]:
    name = _name(element)
    if name in _NEVER_SHOWN:
        return []
    if name not in _LINKS:
        return _inner_runs(element)
    text = " ".join("".join(map(str, element.itertext())).split())
    href = _safe_href(element)
    return [Hyperlink(href, text or href)] if href else [text]


def _safe_href(element: etree._Element) -> str:
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


def _tidy(runs: list[Run]) -> tuple[Run, ...]:
    """White space folded as XML means it: one space, none at the ends."""
    if not any(isinstance(run, Hyperlink) or run.strip() for run in runs):
        return ()
    tidy: list[Run] = []
    for kind, group in groupby(runs, key=type):
        if kind is str:
            tidy.append(_WHITE_SPACE.sub(" ", "".join(map(str, group))))
        else:
            tidy.extend(group)
    if tidy and isinstance(tidy[0], str):
        tidy[0] = tidy[0].lstrip()
    if tidy and isinstance(tidy[-1], str):
        tidy[-1] = tidy[-1].rstrip()
    return tuple(run for run in tidy if run)
