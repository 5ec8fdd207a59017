"""Parses the markup of a purpose: as much as is shown of it, and mended where it is not XML.

The time and the memory that it takes are bounded by what is shown, not by what was sent.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from html.entities import html5
from typing import cast

from lxml import etree

from composer.elements import HIDDEN, INLINE, RAISED, VOID, name_of
from shared.riv.xml import Element, MalformedXml, parse_xml, without_forbidden_characters

#: What is beyond is not read.
MAX_MARKUP = 1_000_000
MAX_ELEMENTS = 100_000
MAX_DEPTH = 40

_PIECE = 32_768
#: Hand-written DocBook forgets its declarations: the prefixes in common use are given ones.
_ROOT = (
    b'<purpose xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:xl="http://www.w3.org/1999/xlink"'
    b' xmlns:db="http://docbook.org/ns/docbook" xmlns:xi="http://www.w3.org/2001/XInclude">'
)
_PROLOGUE = re.compile(r"\A\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!DOCTYPE[^>\[]{0,500}>\s*)?")
_LOOKS_LIKE_MARKUP = re.compile(r"\A\s*<(?:[A-Za-z_]|\?xml|!DOCTYPE|!--)")
#: A tag that is cut off, as far as that can be seen.
_TAG_BEGUN = (
    r"</?[A-Za-z_][\w:.-]{0,60}+"
    r"(?:\s+[\w:.-]{1,60}\s*=\s*(?:\"[^\"<>]*\"?|'[^'<>]*'?)){0,20}"
)
_CUT_TAG = re.compile(rf"(?:<[/!?]?|{_TAG_BEGUN}\s*)\Z")
#: What is left of markup that cannot be parsed: comments, sections, tags, a tag that is cut off.
_DEBRIS = re.compile(
    r"<!--.{0,5000}?-->|<(script|style)\b.{0,5000}?</\1\s*>"
    r"|<[/?!]?[A-Za-z_][^<>]{0,2000}>"
    rf"|{_TAG_BEGUN}(?=[^<>]{{0,2000}}\Z)"
    r"|<!--|-->|<!\[CDATA\[|\]\]>",
    re.DOTALL | re.IGNORECASE,
)
_TAG_NAME = re.compile(r"<(/?)(?:[\w.-]{1,60}:)?([A-Za-z_][\w.-]*)")
_MARKUP_IN_MARKUP = re.compile(r"&lt;/?[A-Za-z]")
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31};)")
_XML_ENTITIES = {"amp;", "lt;", "gt;", "quot;", "apos;"}

_BARE_AMPERSAND = re.compile(r"&(?!(?:#[0-9]{1,7}|#x[0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos);)")
_BARE_LESS_THAN = re.compile(r"<(?![A-Za-z_/!?])")
_TAG = re.compile(r"<(/?)(?:[A-Za-z_][\w.-]{0,60}+:)?([A-Za-z_][\w.-]{0,60}+)([^<>]{0,2000}?)(/?)>")
_TARGET = re.compile(r"""\b(?:href|url)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)


class _TooDeep(ValueError):
    """Elements are nested deeper than `MAX_DEPTH`, or hold markup that was encoded once more."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A tree around `markup`; `is_whole`: nothing of it was left out."""

    root: Element
    is_whole: bool


def looks_like_markup(text: str) -> bool:
    return _LOOKS_LIKE_MARKUP.match(text) is not None


def parse(text: str, *, enough: int) -> Parsed | None:
    """`text` as far as it holds `enough` characters; what is open at its end is closed. None when
    it is no markup that can be parsed."""
    body = _PROLOGUE.sub("", without_forbidden_characters(text[:MAX_MARKUP]), count=1)
    body = _ENTITY.sub(_known_entity, _without_cut_tag(body))
    if (root := _short_and_sound(body)) is not None:
        return Parsed(root, is_whole=True)
    for form in (str, _mended):
        try:
            parsed = _parsed(form(body), enough)
        except (etree.LxmlError, ValueError):
            continue
        return Parsed(parsed.root, parsed.is_whole and len(text) < MAX_MARKUP)
    return None


def _short_and_sound(markup: str) -> Element | None:
    """The tree of what most purposes are, in half the time. Instructions are for the long way: they
    end a line."""
    if len(markup) > _PIECE or "<?" in markup:
        return None
    data = _ROOT + markup.encode() + b"</purpose>"
    try:
        return parse_xml(data, max_bytes=len(data), max_depth=MAX_DEPTH, encoding="utf-8")
    except MalformedXml:
        return None


def _without_cut_tag(text: str) -> str:
    last = text.rfind("<")
    return text[:last] if last >= 0 and _CUT_TAG.match(text, last) else text


def without_markup(text: str) -> str:
    """The text in `text`, a line for each element. Twice: markup may be encoded inside markup."""
    text = text[:MAX_MARKUP]
    for _ in range(2):
        text = unescape(without_forbidden_characters(_DEBRIS.sub(_trace, text)))
    return text


def _trace(debris: re.Match[str]) -> str:
    """What is left of a tag: nothing within a sentence, else the end of a line."""
    tag = _TAG_NAME.match(debris[0])
    if tag is None:
        return "" if debris[0].startswith(("<!", "-->", "]]>")) else "\n"
    name = tag[2].lower()
    if name in RAISED and not tag[1]:
        return "^"
    return "" if name in INLINE else "\n"


def _known_entity(match: re.Match[str]) -> str:
    """Named characters of HTML, which XML without a DTD does not know; XML's own stay."""
    name = match[1]
    return match[0] if name in _XML_ENTITIES else html5.get(name, match[0])


class _Progress:
    """Follows a parser: which elements are open, and how much text there is."""

    def __init__(self) -> None:
        self.open: list[Element] = []
        self.characters = 0
        self.elements = 0
        self._ended: Element | None = None

    def follow(self, events: Iterable[tuple[str, Element]]) -> None:
        """Raises `_TooDeep`."""
        for event, element in events:
            if self._ended is not None:
                self._count(self._ended.tail)
            self._ended = element if event == "end" else None
            if event == "start":
                self._begin(element)
            elif name_of(self.open.pop()) not in HIDDEN:
                self._count(element.text)

    def _begin(self, element: Element) -> None:
        self.open.append(element)
        self.elements += 1
        if len(self.open) > MAX_DEPTH:
            raise _TooDeep

    def _count(self, text: str | None) -> None:
        if text:
            self.characters += len("".join(text.split()))

    def closing(self) -> str:
        return "".join(f"</{_written_name(element)}>" for element in reversed(self.open))


def _written_name(element: Element) -> str:
    local = element.tag.rpartition("}")[2]
    return f"{element.prefix}:{local}" if element.prefix else local


def _parsed(markup: str, enough: int) -> Parsed:
    parser = etree.XMLPullParser(
        ("start", "end"),
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
    )
    progress = _Progress()
    parser.feed(_ROOT)
    is_whole = True
    for piece in _pieces(markup):
        parser.feed(piece.encode())
        progress.follow(cast("Iterable[tuple[str, Element]]", parser.read_events()))
        if progress.characters > enough or progress.elements > MAX_ELEMENTS:
            is_whole = False
            break
    if is_whole and len(progress.open) > 1 and _MARKUP_IN_MARKUP.search(markup):
        raise _TooDeep
    parser.feed(progress.closing().encode())
    return Parsed(parser.close(), is_whole)


def _pieces(markup: str) -> Iterator[str]:
    """Each ends before a tag."""
    start = 0
    while start < len(markup):
        end = markup.find("<", start + _PIECE)
        end = end if end >= 0 else len(markup)
        yield markup[start:end]
        start = end


def _mended(markup: str) -> str:
    """HTML as XML, as far as it can be: tags that have no end, odd attributes, bare `&` and `<`."""
    if "<![CDATA[" in markup:
        return markup
    text = _BARE_LESS_THAN.sub("&lt;", _BARE_AMPERSAND.sub("&amp;", markup))
    return _TAG.sub(_mended_tag, text)


def _mended_tag(tag: re.Match[str]) -> str:
    slash, name, attributes, is_empty = tag[1], tag[2].lower(), tag[3], tag[4]
    if name in VOID:
        return "" if slash else f"<{name}/>"
    if slash:
        return f"</{name}>"
    target = _TARGET.search(attributes)
    href = (target[1] or target[2] or target[3] or "") if target else ""
    quoted = f' href="{href.replace(chr(34), "&quot;")}"' if href else ""
    return f"<{name}{quoted}{is_empty}>"
