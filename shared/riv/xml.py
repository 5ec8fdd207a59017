"""Parses XML from others safely.

No DTD, hence no entities and no external resources; bounded in bytes and in depth; only the
encodings that SOAP is sent in. Errors give the line and the kind of error, never content, which may
name a patient.
"""

import codecs
import re
import sys
from functools import cache
from typing import TypeAlias

from lxml import etree

#: lxml has no public name for the type of its elements.
Element: TypeAlias = etree._Element  # noqa: SLF001

#: Deeper than any contract of ours with room for foreign elements, and far below what does harm.
MAX_DEPTH = 64
_TOO_DEEP = "Excessive depth"


_UTF_8 = "utf-8"
_UTF_16 = "utf-16"
#: The encodings that are read: their names in XML and HTTP, and in Python.
_CODECS = {
    "utf-8": _UTF_8,
    "utf8": _UTF_8,
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "iso-8859-15": "iso8859-15",
    "windows-1252": "cp1252",
    "utf-16": _UTF_16,
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}
_MARKS = {codecs.BOM_UTF8: _UTF_8, codecs.BOM_UTF16_LE: _UTF_16, codecs.BOM_UTF16_BE: _UTF_16}
_DECLARED = re.compile(rb"<\?xml\s[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
#: All that may precede the root element, followed by a DTD.
_DTD = re.compile(rb"(?:\xef\xbb\xbf)?(?>\s+|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)


#: Characters that XML 1.0 (section 2.2) forbids, and references to characters.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REFERENCE = re.compile(r"&#(?:x0*+([0-9a-fA-F]{0,8})|0*+([0-9]{0,9}));")
#: Line break, page break and table cell of word processors are ends of a line.
LINE_ENDS = "\x07\x0b\x0c"
LINE_SEPARATOR = "\u2028"


class MalformedXml(ValueError):
    """The bytes are not XML that we accept: not well-formed, with a DTD, too large or too deep."""


def parse_xml(
    data: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH, encoding: str | None = None
) -> Element:
    """The root element of `data`, without comments and processing instructions.

    `encoding` (of HTTP's Content-Type) overrides what the document declares. Raises
    `MalformedXml`.
    """
    if len(data) > max_bytes:
        raise MalformedXml(f"the document is larger than {max_bytes} bytes")
    utf_8 = _in_utf_8(data, encoding)
    if _DTD.match(utf_8):
        # Searched for before parsing: a DTD with many ATTLIST takes minutes to parse.
        raise MalformedXml("a document type declaration is not allowed")
    root = _parse(utf_8)
    # Nested elements have two "<" each: a document with few of them cannot be too deep.
    if utf_8.count(b"<") > 2 * max_depth and _deeper_than(max_depth)(root):
        raise MalformedXml(f"elements are nested deeper than {max_depth}")
    return root


def without_forbidden(data: bytes, *, encoding: str | None = None) -> bytes | None:
    """`data` in UTF-8 without what `without_forbidden_characters` takes out; None when it holds
    nothing of that kind, so that parsing it again is of no use. Raises `MalformedXml`."""
    try:
        text = _in_utf_8(data, encoding).decode("utf-8", "surrogatepass")
    except UnicodeError:
        raise MalformedXml("not in the character encoding it says, utf-8") from None
    mended = without_forbidden_characters(text)
    return None if mended == text else mended.encode()


def without_forbidden_characters(text: str) -> str:
    """`text` with a blank for each character that XML 1.0 forbids, written as such or by number.

    For one that ends a line, a line separator: "2" and "500 mg" must not become one number.
    """
    legal = _FORBIDDEN.sub(lambda found: _instead_of(found[0]), text)
    return _REFERENCE.sub(_legal_reference, legal)


def _instead_of(forbidden: str) -> str:
    return LINE_SEPARATOR if forbidden in LINE_ENDS else " "


def _legal_reference(reference: re.Match[str]) -> str:
    hexadecimal, decimal = reference.groups()
    number = int(decimal or "0") if hexadecimal is None else int(hexadecimal or "0", 16)
    character = chr(number) if number <= sys.maxunicode else "\0"
    return _instead_of(character) if _FORBIDDEN.match(character) else reference[0]


def _in_utf_8(data: bytes, encoding: str | None) -> bytes:
    name = encoding.lower() if encoding else _own_encoding(data)
    if name not in _CODECS:
        raise MalformedXml("the character encoding is not one that is read here")
    if _CODECS[name] == _UTF_8:
        return data
    try:
        return data.decode(_CODECS[name]).encode()
    except UnicodeError:
        raise MalformedXml(f"not in the character encoding it says, {name}") from None


def names_its_encoding(data: bytes) -> bool:
    """Whether `data` says by itself how it is encoded."""
    return data.startswith(tuple(_MARKS)) or _DECLARED.match(data) is not None


def _own_encoding(data: bytes) -> str:
    """The encoding by the byte order mark, else by the declaration, else UTF-8."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding
    declared = _DECLARED.match(data)
    name = declared[1].decode().lower() if declared else _UTF_8
    # .NET declares UTF-16 for documents sent in UTF-8. In UTF-16 this could not have been read.
    return _UTF_8 if name.startswith(_UTF_16) else name


def _parse(data: bytes) -> Element:
    # One parser for each document: a parser holds a lock, and requests are parsed in parallel.
    try:
        parser = etree.XMLParser(
            encoding=_UTF_8,
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        if _TOO_DEEP in error.msg:  # libxml2 gives up by itself at 256 levels
            raise MalformedXml(f"elements are nested deeper than {MAX_DEPTH}") from None
        raise MalformedXml(f"not well-formed at line {error.lineno or 1}") from None


@cache
def _deeper_than(depth: int) -> etree.XPath:
    """True for a document with an element at `depth` + 1. In C: it walks every level."""
    return etree.XPath(f"boolean({'/*' * (depth + 1)})")
