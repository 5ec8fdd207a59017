"""Documents bent at random, the same way for the same seed: what fuzzing of parsers draws from.

`spoil` puts bytes where they do not belong; most of what it makes is no XML. `bend` moves elements
and changes texts, so that what it makes is read to the end.
"""

import random
import re
from collections.abc import Callable, Sequence
from copy import deepcopy

from lxml import etree

#: Pieces that make or break any XML document, whatever it is about.
MARKUP = (
    *(
        b"<",
        b">",
        b"&",
        b'"',
        b"]]>",
        b"<![CDATA[",
        b"<!--",
        b"-->",
        b"<?x ",
        b"?>",
        b"\x00",
        b"\xff",
    ),
    *(b"&#0;", b"&#x10FFFF;", b"&#xD800;", b"&amp;", b"&lt;", b"&x;", b"\xc3", b"\xef\xbb\xbf"),
    *(b"<!DOCTYPE a>", b'<!DOCTYPE a [<!ENTITY x "y">]>', b'xsi:nil="true"', b'xmlns=""'),
    *(
        b'xmlns:s="urn:other"',
        b"<a>" * 70,
        b"</a>" * 70,
        b"<a/>" * 50,
        b"A" * 300,
        b" ",
        b"\n",
        b"",
    ),
    *(b'<?xml version="1.0" encoding="UTF-7"?>', b'<?xml version="1.0" encoding="utf-16"?>'),
)
TEXTS = (
    *("", " ", "\n ", "true", "1", "0", "ja", "True", "NA", "-1", "å" * 65, "x" * 129, "y" * 256),
    *("20261203090000", "20260230090000", "00000000000000", "2026-12-03T09:00:00", "\u0662" * 14),
    *("191212121212", "19121212p212", "99201012A1B3", "19121212-1212", "SE2321000016-1hz5"),
    *(
        "<article><para>x</para></article>",
        "]]>",
        "&lt;",
        "\u00a0",
        "\u2028",
        "\U0001f600",
        "\ufffd",
    ),
)
#: As a document may also be written; UTF-7 and UTF-32 are not read.
ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "iso-8859-1", "utf-7", "utf-32")


def tags(*documents: bytes) -> list[bytes]:
    """Every tag in `documents`: pieces that put a spoilt one together in new ways."""
    return [tag for document in documents for tag in re.findall(rb"<[^>]+>", document)]


def spoil(document: bytes, pieces: Sequence[bytes], seed: int, times: int) -> bytes:
    """`document` with `times` of MARKUP or `pieces` put in, or parts taken out, doubled, moved."""
    chance = random.Random(seed)
    for _ in range(times):
        start = chance.randrange(len(document) + 1)
        end = min(len(document), start + chance.choice((0, 0, 1, 2, 20, 200)))
        part, rest = document[start:end], document[:start] + document[end:]
        put = chance.choice((*MARKUP, *pieces, part * 2, part * 30))
        place = chance.choice((start, start, chance.randrange(len(rest) + 1)))
        document = rest[:place] + put + rest[place:]
    return document


def bend(document: bytes, seed: int, times: int) -> bytes:
    """`document` after `times` changes to its elements; now and then in another encoding."""
    chance = random.Random(seed)
    root = etree.fromstring(document)
    for _ in range(times):
        elements = [one for one in root.iter("*") if one is not root]
        if elements:
            change = chance.choice(_CHANGES)
            change(chance.choice(elements), chance.choice(elements), chance)
    bent = etree.tostring(root, encoding="unicode")
    encoding = chance.choice(ENCODINGS) if chance.random() < 0.05 else "utf-8"
    return bent.encode(encoding, errors="xmlcharrefreplace")


_Change = Callable[[etree._Element, etree._Element, random.Random], None]


def _tell(one: etree._Element, _other: etree._Element, chance: random.Random) -> None:
    one.text = chance.choice(TEXTS)


def _drop(one: etree._Element, _other: etree._Element, _chance: random.Random) -> None:
    parent = one.getparent()
    assert parent is not None
    parent.remove(one)


def _double(one: etree._Element, _other: etree._Element, _chance: random.Random) -> None:
    one.addnext(deepcopy(one))


def _move(one: etree._Element, other: etree._Element, _chance: random.Random) -> None:
    if one not in other.iterancestors() and one is not other:
        other.append(one)


def _rename(one: etree._Element, other: etree._Element, chance: random.Random) -> None:
    local = etree.QName(other).localname
    one.tag = chance.choice((other.tag, local, f"{{urn:other}}{local}"))


def _wrap(one: etree._Element, other: etree._Element, _chance: random.Random) -> None:
    wrapper = etree.Element(other.tag)
    one.addprevious(wrapper)
    wrapper.append(one)


def _mark(one: etree._Element, _other: etree._Element, chance: random.Random) -> None:
    name = chance.choice(("id", "{http://www.w3.org/2001/XMLSchema-instance}nil", "{urn:x}y"))
    one.set(name, chance.choice(("true", "", "1")))


def _comment(one: etree._Element, _other: etree._Element, _chance: random.Random) -> None:
    one.insert(0, etree.Comment(" <!DOCTYPE a> "))


_CHANGES: tuple[_Change, ...] = (
    *(_tell, _tell, _tell, _drop, _double, _move, _rename, _wrap, _mark, _comment),
)
