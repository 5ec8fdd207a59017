"""Reading XML that others wrote, so that it can do no harm.

No DTD, hence no entities and nothing external; bounded in bytes and in depth. Errors say where and
what kind, never what the document holds: it may name a patient.
"""

from functools import cache
from typing import TypeAlias

from lxml import etree

#: lxml has no public name for the type of its elements.
Element: TypeAlias = etree._Element  # noqa: SLF001

#: Deeper than any contract of ours with room for foreign elements, far below what hurts.
MAX_DEPTH = 64


class MalformedXml(ValueError):
    """The bytes are not XML that we read: not well-formed, with a DTD, too large or too deep."""


def parse_xml(
    data: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH, encoding: str | None = None
) -> Element:
    """The root element of `data`, without comments and processing instructions.

    `encoding` (of HTTP's Content-Type) goes before what the document itself declares. Raises
    `MalformedXml`.
    """
    if len(data) > max_bytes:
        raise MalformedXml(f"the document is larger than {max_bytes} bytes")
    root = _parse(data, encoding)
    if root.getroottree().docinfo.internalDTD is not None:
        raise MalformedXml("a document type declaration is not allowed")
    if _deeper_than(max_depth)(root):
        raise MalformedXml(f"elements are nested deeper than {max_depth}")
    return root


def _parse(data: bytes, encoding: str | None) -> Element:
    # A parser of its own for each document: parsers hold a lock, requests are read side by side.
    try:
        parser = etree.XMLParser(
            encoding=encoding,
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise MalformedXml(f"not well-formed at line {error.lineno or 1}") from None
    except LookupError:
        raise MalformedXml("the character encoding is not known") from None


@cache
def _deeper_than(depth: int) -> etree.XPath:
    """True for a document with an element at `depth` + 1. In C: it walks every level."""
    return etree.XPath(f"boolean({'/*' * (depth + 1)})")
