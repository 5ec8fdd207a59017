"""The purpose of a call letter: DocBook as rich text, and anything hostile as harmless text."""

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer import docbook, richtext
from composer.richtext import Heading, Items, Paragraph

ALLOWED = {"h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "a", "br"}
DB = 'xmlns="http://docbook.org/ns/docbook" xmlns:xlink="http://www.w3.org/1999/xlink"'


def text_of(purpose: str) -> str:
    return richtext.to_text(docbook.read(purpose))


def html_of(purpose: str) -> str:
    return richtext.to_html(docbook.read(purpose))


class Checker(HTMLParser):
    """Fails on anything but the few elements, balanced, and links that lead somewhere safe."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED
        if tag == "a":
            href = dict(attrs)["href"] or ""
            assert href.lower().startswith(("http://", "https://", "mailto:", "tel:"))
            assert [name for name, _ in attrs] == ["href", "rel"]
        else:
            assert attrs == []
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    handle_decl = handle_pi = unknown_decl = handle_comment


def check(html: str) -> None:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []


@pytest.mark.parametrize(
    ("purpose", "text", "html"),
    [
        ("", "", ""),
        ("Fasta.", "Fasta.", "<p>Fasta.</p>"),
        ("Ett\r\ntvå\n\n\ntre", "Ett\ntvå\n\ntre", "<p>Ett<br>två</p>\n<p>tre</p>"),
        ("5 < 6 & så", "5 < 6 & så", "<p>5 &lt; 6 &amp; så</p>"),
        (f"<article {DB}><para>Fasta.</para></article>", "Fasta.", "<p>Fasta.</p>"),
        ("<Article><Para>Fasta.</Para></Article>", "Fasta.", "<p>Fasta.</p>"),
        ("<db:article><db:para>Fasta.</db:para></db:article>", "Fasta.", "<p>Fasta.</p>"),
        ("<para>a</para><para>b</para>", "a\n\nb", "<p>a</p>\n<p>b</p>"),
        ("&lt;para&gt;Fasta.&lt;/para&gt;", "Fasta.", "<p>Fasta.</p>"),
        (
            '<?xml version="1.0"?><!DOCTYPE article><para>Å&nbsp;ä &aring;&lt;</para>',
            "Å ä å<",
            "<p>Å ä å&lt;</p>",
        ),
        (
            "<article><info><title>T</title></info><section><title>S</title>x</section></article>",
            "T\n\nS\n\nx",
            "<h3>T</h3>\n<h4>S</h4>\n<p>x</p>",
        ),
        (
            "<orderedlist><listitem><para>a</para></listitem><listitem>b</listitem></orderedlist>",
            "1. a\n2. b",
            "<ol><li>a</li><li>b</li></ol>",
        ),
        (
            '<para>Se <ulink url="https://www.1177.se">1177</ulink>.</para>',
            "Se 1177 (https://www.1177.se).",
            '<p>Se <a href="https://www.1177.se" rel="noopener noreferrer">1177</a>.</p>',
        ),
        (
            '<para>Ring <link xlink:href="tel:0812345">0812345</link></para>',
            "Ring 0812345",
            '<p>Ring <a href="tel:0812345" rel="noopener noreferrer">0812345</a></p>',
        ),
        ("<para>x <emphasis>y</emphasis> z</para>", "x y z", "<p>x y z</p>"),
        ("<b onclick='x()'>fet</b>", "fet", "<p>fet</p>"),
        ("<para>a</para><script>alert(1)</script>", "a", "<p>a</p>"),
        ("<article><para>obalanserat</article>", "obalanserat", "<p>obalanserat</p>"),
        ("<article><title> </title><itemizedlist/></article>", "", ""),
    ],
)
def test_reading(purpose: str, text: str, html: str) -> None:
    assert text_of(purpose) == text
    assert html_of(purpose) == html


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " java\nscript:alert(1)",
        "&#x01;javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example",
        "/relative",
        "https:",
        "http://[",
    ],
)
def test_a_link_that_may_do_harm_is_only_its_text(href: str) -> None:
    purpose = f'<para><ulink url="{href}">läs</ulink></para>'
    assert "<a" not in html_of(purpose)
    assert "läs" in text_of(purpose)


@pytest.mark.parametrize(
    "purpose",
    [
        '<!DOCTYPE a [<!ENTITY x "y">]><article><para>&x; kvar</para></article>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><para>&x; kvar</para>',
        "<a>" * 5000 + "kvar" + "</a>" * 5000,
        "<para>" + "<b>" * 100 + "kvar" + "</b>" * 100 + "</para>",
        "<para>kvar<![CDATA[<script>alert(1)</script>]]></para>",
        "<para>kvar<!-- -- --></para>",
        "<para>kvar \x00\x08\ud800\ufffe</para>",
        "<unknown:para>kvar</unknown:para>",
        '<svg onload="alert(1)"><para>kvar</para></svg>',
        "<para>kvar<iframe src='x'/></para>",
        "<para kvar",
    ],
)
def test_hostile_or_broken_markup_is_harmless_and_loses_no_text(purpose: str) -> None:
    assert "kvar" in text_of(purpose)
    check(html_of(purpose))


@pytest.mark.parametrize(
    "purpose",
    [
        "x" * 2_000_000,
        "<para>" + "x" * 2_000_000 + "</para>",
        "<para/>" * 300_000,
        "<b>x</b>" * 6_000,
        "<" * 1_000_000,
        "<a" * 500_000,
        "&amp;" * 300_000,
    ],
)
def test_huge_texts_are_cut_off_soon_and_say_so(purpose: str) -> None:
    started = time.process_time()
    rich = docbook.read(purpose)
    assert time.process_time() - started < 10  # in proportion to the length; squared takes minutes
    text = richtext.to_text(rich)
    assert len(text) < docbook.MAX_CHARACTERS + 100
    if len(purpose) > docbook.MAX_CHARACTERS:
        assert text.endswith(docbook.CUT_OFF)


def test_the_purpose_is_harmless_whatever_its_bidirectional_marks_pretend() -> None:
    assert text_of("abc\u202edef\u2066") == "abcdef"


NAMES = ["article", "Para", "title", "section", "ulink", "orderedlist", "listitem", "script", "x:y"]
PIECES = st.one_of(
    st.sampled_from([f"<{name}>" for name in NAMES] + [f"</{name}>" for name in NAMES]),
    st.sampled_from(["<ulink url='javascript:x'>", "<![CDATA[", "]]>", "<!--", "-->", "&lt;", "&"]),
    st.sampled_from(
        ['<link xlink:href="https://x.se/?a=1&amp;b=\'">', "<!DOCTYPE a [", "<?x", '"']
    ),
    st.text(max_size=20),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join))
def test_no_markup_gets_through(purpose: str) -> None:
    check(html_of(purpose))
    text_of(purpose)


def nested(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    bodies = st.lists(children, max_size=4).map("".join)
    return st.tuples(st.sampled_from(NAMES[:-1]), bodies).map(lambda p: f"<{p[0]}>{p[1]}</{p[0]}>")


WORDS = st.text(alphabet="abcåäö ", min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(st.recursive(WORDS, nested, max_leaves=20))
def test_all_text_of_well_formed_markup_is_kept(purpose: str) -> None:
    html = html_of(purpose)
    check(html)
    if "<script>" not in purpose:
        shown = "".join(text_of(purpose).split())
        for word in purpose.replace("<", " <").replace(">", "> ").split():
            assert word.startswith("<") or word in shown


@pytest.mark.parametrize(
    ("purpose", "text"),
    [
        ("<para>Hej.</para><para>Fasta.", "Hej. Fasta."),
        ("<article><para>Hej.<para class='x", "Hej."),
        ("<para>Hej.</par", "Hej."),
        ("<para>Hej. <![CDATA[Fasta.]]>", "Hej. Fasta."),
        ("<para>Hej.<!-- Dolt. --></article>", "Hej."),
        ("<para>Hej.<script>x()</script></article>", "Hej."),
        ("<para>Hej. &lt;b&gt;Fasta.&lt;/b&gt;", "Hej. Fasta."),
    ],
)
def test_no_debris_of_broken_markup_is_left(purpose: str, text: str) -> None:
    assert " ".join(text_of(purpose).split()) == text


def test_a_long_text_keeps_its_structure_up_to_the_limit() -> None:
    item = f"<listitem><para>{'Ta med allt. ' * 100}</para></listitem>"
    blocks = docbook.read(
        f"<article><title>Inför</title><itemizedlist>{item * 100}</itemizedlist></article>"
    )
    assert isinstance(blocks[0], Heading)
    assert isinstance(blocks[1], Items)
    assert 38 <= len(blocks[1].items) <= 40
    assert blocks[-1] == Paragraph((docbook.CUT_OFF,))
    assert "kontakta mottagningen om du vill ha hela texten" in docbook.CUT_OFF


def test_what_fits_is_not_cut() -> None:
    exactly = "x" * docbook.MAX_CHARACTERS
    assert docbook.read(f"<para>{exactly}</para>") == (Paragraph((exactly,)),)
    assert len(docbook.read(f"<para>{exactly}x</para>")) == 2
