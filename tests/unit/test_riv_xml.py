"""XML of strangers does no harm, and what is refused does not quote them."""

import time

import pytest

from shared.riv.xml import MalformedXml, parse_xml

LIMIT = 1_000_000


def laughs(*, within: str) -> bytes:
    entities = '<!ENTITY e0 "ha">' + "".join(
        f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 12)
    )
    return f"<!DOCTYPE a [{entities}]>{within}".encode()


def attribute_list(*, prologue: str = "", count: int = 20_000) -> str:
    """Takes libxml2 the square of `count` to read, though nothing of it is used."""
    declared = "".join(f'a{number} CDATA "x" ' for number in range(count))
    return f"{prologue}<!DOCTYPE a [<!ATTLIST a {declared}>]><a/>"


HOSTILE = {
    "many attributes declared": attribute_list().encode(),
    "the same after other things": attribute_list(
        prologue="<?xml version='1.0'?>\n<!-- <a> --> <?pi <a> ?>\n<!-- -->"
    ).encode(),
    "the same behind a byte order mark": attribute_list().encode("utf-8-sig"),
    "the same in UTF-16": attribute_list().encode("utf-16"),
    "the same in UTF-16, in disguise": attribute_list(prologue="<!--\u2d2d\u3e3c-->").encode(
        "utf-16"
    ),
    "the same in UTF-7": b'<?xml version="1.0" encoding="UTF-7"?>'
    + attribute_list().encode("utf-7"),
    "the same in EBCDIC": attribute_list(prologue='<?xml version="1.0" encoding="cp037"?>').encode(
        "cp037"
    ),
    "UTF-32": "<a/>".encode("utf-32"),
    "not in the encoding it says": "<?xml version='1.0' encoding='us-ascii'?><a>å</a>".encode(),
    "billion laughs in text": laughs(within="<a>&e11;</a>"),
    "billion laughs in an attribute": laughs(within='<a b="&e11;"/>'),
    "external entity": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "external DTD": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
    "parameter entity": b'<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><a/>',
    "harmless DTD": b"<!DOCTYPE a><a/>",
    "too deep for us": b"<a>" * 65 + b"</a>" * 65,
    "too deep in as few letters as can be": b"<a>" * 64 + b"<a/>" + b"</a>" * 64,
    "too deep for any": b"<a>" * 50_000 + b"</a>" * 50_000,
    "never closed": b"<a>" * 300_000,
    "no XML": b"hello",
    "nothing": b"",
    "NUL": b"<a>\x00</a>",
    "wrong bytes": b"<a>\xff\xfe</a>",
    "two roots": b"<a/><b/>",
    "unknown entity": b"<a>&nbsp;</a>",
    "unknown encoding": b'<?xml version="1.0" encoding="klingon"?><a/>',
    "too large": b"<a>" + b"x" * LIMIT + b"</a>",
}


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_documents_are_refused_at_once(document: bytes) -> None:
    started = time.process_time()
    with pytest.raises(MalformedXml):
        parse_xml(document, max_bytes=LIMIT)
    assert time.process_time() - started < 1


def test_an_unknown_encoding_of_the_content_type_is_refused() -> None:
    with pytest.raises(MalformedXml, match="encoding"):
        parse_xml(b"<a/>", max_bytes=LIMIT, encoding="klingon")


def test_the_error_tells_the_line_and_nothing_of_the_content() -> None:
    with pytest.raises(MalformedXml) as caught:
        parse_xml(b"<a>\n<b>191212121212</c></a>", max_bytes=LIMIT)
    assert "line 2" in str(caught.value)
    assert "1912" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "utf-8-sig"])
def test_documents_are_read_in_their_own_encoding(encoding: str) -> None:
    declared = f' encoding="{encoding.removesuffix("-sig")}"'
    document = f'<?xml version="1.0"{declared}?><a>Mårten</a>'.encode(encoding)
    assert parse_xml(document, max_bytes=LIMIT).text == "Mårten"


def test_a_text_that_only_says_that_it_is_utf_16_is_read() -> None:
    document = '<?xml version="1.0" encoding="utf-16"?><a>Mårten</a>'.encode()
    assert parse_xml(document, max_bytes=LIMIT).text == "Mårten"


def test_what_looks_like_a_dtd_within_the_document_is_content() -> None:
    document = b"<a><![CDATA[<!DOCTYPE article><article/>]]><!-- <!DOCTYPE b> --></a>"
    assert parse_xml(document, max_bytes=LIMIT).text == "<!DOCTYPE article><article/>"


def test_the_encoding_of_the_content_type_goes_first() -> None:
    document = '<?xml version="1.0" encoding="UTF-8"?><a>Mårten</a>'.encode("iso-8859-1")
    assert parse_xml(document, max_bytes=LIMIT, encoding="iso-8859-1").text == "Mårten"


def test_comments_and_instructions_do_not_split_a_text() -> None:
    root = parse_xml(b"<a><!-- one -->be<!-- two --><?three?>fore<b/></a>", max_bytes=LIMIT)
    assert root.text == "before"
    assert [child.tag for child in root] == ["b"]


def test_the_deepest_allowed_document_is_read() -> None:
    assert parse_xml(b"<a>" * 64 + b"</a>" * 64, max_bytes=LIMIT).tag == "a"
