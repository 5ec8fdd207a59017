"""Words that stand in different elements of a purpose are never joined: "2" and "500 mg" in two
cells, paragraphs or lines would read as another dose. And no word is lost."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer import docbook, elements, richtext
from composer.characters import printable
from composer.richtext import Heading, Items, Paragraph
from tests.unit.test_docbook_purpose import check, html_of, text_of

ROW = "<row><entry>2</entry><entry>500 mg</entry></row>"


@pytest.mark.parametrize(
    ("purpose", "text"),
    [
        ("<div>Ta 2<br/>500 mg</div><div>Fasta</div>", "Ta 2\n500 mg\nFasta"),
        ("<div>Ta 2<br>500 mg</div><div>Fasta</div>", "Ta 2\n500 mg\nFasta"),
        ("<p>Ta 2</p><p>500 mg</p>", "Ta 2\n\n500 mg"),
        ("<p>Ta 2<br/><br/>500 mg</p>", "Ta 2\n\n500 mg"),
        ("<para>Ta 2<?linebreak?>500 mg</para>", "Ta 2\n500 mg"),
        ("<para>Ta 2<hittapå>500 mg</hittapå>Fasta</para>", "Ta 2\n500 mg\nFasta"),
        ("<para>Ta 2<script>x</script>500 mg</para>", "Ta 2\n500 mg"),
        (
            "<html><body><p>Hej!</p><ul><li>Ett</li><li>Två</li></ul><br/>Mvh</body></html>",
            "Hej!\n\n- Ett\n- Två\n\nMvh",
        ),
        ("<literallayout>a 1\n  b 2</literallayout>", "a 1\nb 2"),
        ("<programlisting>x\ny</programlisting><screen>1\n2</screen>", "x\ny\n\n1\n2"),
        ("<pre>x\n\n\ny</pre>", "x\n\ny"),
        ("<h1>Före</h1>Ta 2<h2>Efter</h2>500", "Före\n\nTa 2\n\nEfter\n\n500"),
        (
            "<table><tr><th>Hur</th><th>Vad</th></tr><tr><td>2</td><td>500 mg</td></tr></table>",
            "Hur | Vad\n2 | 500 mg",
        ),
        (
            f"<informaltable><tgroup><tbody>{ROW * 2}</tbody></tgroup></informaltable>",
            "2 | 500 mg\n2 | 500 mg",
        ),
        ("<table><tr><td>2</td><td/><td><p>500 mg</p></td></tr></table>", "2 | | 500 mg"),
        ("<tr><td>2</td>500</tr>", "2 | 500"),
        ("<td>2</td><td>500 mg</td>", "2\n500 mg"),
        ("<tr><td>1<br/>2</td><td>500</td></tr>", "1\n2\n500"),
        ("<tr><td><p>1</p><p>2</p></td><td>500</td></tr>", "1\n\n2\n\n500"),
        ("<ul><li>Ta 2<br/>500 mg</li></ul>", "- Ta 2\n  500 mg"),
        ("<ul>Ta 2<li>500</li><b>1</b><ul><li>a</li></ul></ul>", "- Ta 2\n- 500\n- 1\n- - a"),
        ("<dl><dt>Före</dt><dd>Fasta</dd></dl>", "Före\nFasta"),
        ('<a href="https://x.se">Ta 2<br/>500</a>1', "Ta 2 (https://x.se)\n500 (https://x.se)1"),
        ('Se<a href="https://x.se"> här </a>då', 'Se<a href="https://x.se"> här </a>då'),
        ('<p>Se<a href="https://x.se"> här </a>då</p>', "Se här (https://x.se) då"),
        ('<p>Se<a href="https://x.se"/>då</p>', "Se https://x.se då"),
        ("<a><p>Ta 2</p><p>500</p></a>", "Ta 2\n\n500"),
        ("<p>Ta <b>2</b><i>00</i> mg</p>", "Ta 200 mg"),
        ("<p>10<sup>6</sup>, B<sub>12</sub>, 1<sup>a</sup></p>", "10⁶, B₁₂, 1a"),
        ("<p>10<sup>6</sup></p></b>", "10^6"),
        ("<para>Ta 2\x0b500 mg</para>", "Ta 2\n500 mg"),
        ("<para>Ta 2&#11;500 mg</para>", "Ta 2\n500 mg"),
        ("<para>Ta 2&#x7;500 mg</para></b>", "Ta 2\n500 mg"),
        ("&lt;para&gt;Ta 2&#12;500 mg&lt;/para&gt;", "Ta 2\n500 mg"),
        ("Ta 2\x0b500 mg", "Ta 2\n500 mg"),
        ("Ta 2\x00500 mg", "Ta 2 500 mg"),
        ("<p>10\x9620 och 10&#150;20</p>", "10–20 och 10–20"),
        ("<p>x&#x202e;y</p>", "xy"),
        (
            "<para>Ta 2</para><para>500 mg</para><itemizedlist><listitem>Ett",
            "Ta 2\n\n500 mg\n\n- Ett",
        ),
        ("<P>Ta 2<o:p></o:p></p><td width=5>500</td>", "Ta 2\n\n500"),
        ("<p>Vård & omsorg</p><p>5 < 6</p>", "Vård & omsorg\n\n5 < 6"),
        ("<p><a href=https://x.se/?a=1&b>x</a></p>", "x (https://x.se/?a=1&b)"),
        ("<p>Ta 2</div><p>500 mg", "Ta 2\n\n500 mg"),
        ("<p>Ta 2</div><td>500 mg", "Ta 2\n\n500 mg"),
    ],
)
def test_every_element_but_those_within_a_sentence_ends_a_line(purpose: str, text: str) -> None:
    assert text_of(purpose) == text
    check(html_of(purpose))


NAMES = [
    *("article", "section", "para", "title", "itemizedlist", "listitem", "literallayout"),
    *("informaltable", "tbody", "row", "entry", "p", "div", "ul", "ol", "li", "h2", "table", "tr"),
    *("td", "pre", "dl", "dd", "hittapå", "x:y", "phrase", "emphasis", "b", "i", "span", "a"),
    *("ulink", "sup", "subscript"),
]
EMPTY = ["<br/>", "<br>", "<hr/>", "<?linebreak?>", "<?x y?>", "<anchor/>", "<script>x</script>"]
INLINE = re.compile(
    rf"</?(?:{'|'.join(sorted(elements.INLINE))})(?: [^>]*)?>", re.ASCII | re.IGNORECASE
)


def nested(children: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    """An element as its tags and words, one by one."""
    bodies = st.lists(children, max_size=4)
    tags = st.tuples(
        st.sampled_from(NAMES), st.sampled_from(["", ' href="https://x.se"', " id='1'"])
    )
    return st.tuples(tags, bodies).map(
        lambda made: [
            f"<{made[0][0]}{made[0][1]}>",
            *(piece for body in made[1] for piece in body),
            f"</{made[0][0]}>",
        ]
    )


LEAVES = st.one_of(st.just(["word"]), st.sampled_from(EMPTY).map(lambda tag: [tag]))
SOUND = st.recursive(LEAVES, nested, max_leaves=25)
BROKEN = st.tuples(SOUND, st.sets(st.integers(0, 60), max_size=4), st.integers(0, 60)).map(
    lambda made: [piece for n, piece in enumerate(made[0]) if n not in made[1]][: made[2] + 5]
)


def named(pieces: list[str]) -> list[str]:
    """Each word another one."""
    return [f"q{n}z" if piece == "word" else piece for n, piece in enumerate(pieces)]


def parted_pairs(pieces: list[str]) -> list[str]:
    """What would be read if words between which an element begins or ends were joined."""
    pairs, last, parted = [], "", False
    for piece in pieces:
        if not piece.startswith("<"):
            pairs += [last + piece] if parted and last else []
            last, parted = piece, False
        elif not INLINE.fullmatch(piece):
            parted = True
    return pairs


@settings(max_examples=600, deadline=None)
@given(st.one_of(SOUND, BROKEN), st.sampled_from(["<article>", "<div>", "<para>", ""]))
def test_no_words_of_different_elements_are_joined_and_none_is_lost(
    pieces: list[str], before: str
) -> None:
    pieces = [before, *named(pieces)] if before else ["<p>", "</p>", *named(pieces)]
    purpose = "".join(pieces)
    html = html_of(purpose)
    check(html)
    for shown in (text_of(purpose), re.sub(r"</?a\b[^>]*>", "", html)):
        for pair in parted_pairs(pieces):
            assert pair not in shown
        for piece in pieces:
            assert piece.startswith("<") or piece in shown


@given(
    st.text(
        st.sampled_from("ab2 \x00\x07\x0b\x0c\x1c\x7f\x85\x96\ufffe\ud800\u2028\n"), max_size=30
    )
)
def test_characters_that_are_taken_out_join_nothing(text: str) -> None:
    odd = r"[^ab2]+"
    assert re.split(odd, text.strip())[0] in printable(text)
    assert "".join(re.findall("[ab2]+", text)) == "".join(re.findall("[ab2]+", printable(text)))
    assert len(re.findall("[ab2]+", text)) == len(re.findall("[ab2]+", printable(text)))


SECTION = (
    "<section><title>Inför besöket</title><para>Del</para><itemizedlist><listitem>"
    "<para>Drick vatten &amp; vila.</para></listitem></itemizedlist></section>"
)


@pytest.mark.parametrize("size", [400_000, 990_000, 1_000_000, 3_000_000])
@pytest.mark.parametrize("namespace", ["", ' xmlns="http://docbook.org/ns/docbook"'])
def test_docbook_of_any_length_keeps_its_structure(size: int, namespace: str) -> None:
    whole = f"<article{namespace}>{SECTION * (size // len(SECTION))}</article>"
    started = time.process_time()
    blocks = docbook.read(whole[:1_000_000])  # as the fetcher cuts it
    assert time.process_time() - started < 1
    assert blocks[0] == Heading(2, ("Inför besöket",))
    assert blocks[1] == Paragraph(("Del",))
    assert blocks[2] == Items(ordered=False, items=((Paragraph(("Drick vatten & vila.",)),),))
    assert blocks[-1] == Paragraph((docbook.CUT_OFF,))
    assert len(richtext.to_text(blocks)) > docbook.MAX_CHARACTERS


@pytest.mark.parametrize("end", range(1, 60))
def test_docbook_that_is_cut_off_anywhere_keeps_what_is_before(end: int) -> None:
    blocks = docbook.read(f"<article>{SECTION * 3}"[:-end])
    assert blocks[0] == Heading(2, ("Inför besöket",))
    assert "<" not in richtext.to_text(blocks)


def test_a_text_is_cut_off_between_words() -> None:
    text = f"{'x ' * ((docbook.MAX_CHARACTERS - 12) // 2)}Ta högst 1000 mg"
    for purpose in (text, f"<para>{text}</para>"):
        shown = text_of(purpose).removesuffix(f"\n\n{docbook.CUT_OFF}")
        assert text.startswith(shown)
        assert shown.endswith("Ta högst")


@pytest.mark.parametrize(
    "purpose",
    [
        "<i>" * 39 + "<i/>" * 240_000 + "<p/>",
        "<tr><td>" * 19 + "<i/>" * 240_000 + "<p/>",
        "<?x?>" * 200_000,
        "<p>" + "<a" + "x" * 990_000,
        "<p><a" + " " * 990_000 + "x",
        "<p>" + "<![CDATA[" * 110_000,
        "<p>" + "&#0" + "0" * 990_000,
        "<p>" + "&#00000000000000000" * 50_000,
        "<p " + "x='1' " * 160_000,
        "<x:" * 330_000,
        "<p>" + "<b href=" * 120_000,
        "<p>" + "<tr><td>x</td>" * 70_000,
    ],
    ids=lambda purpose: purpose[:12],
)
def test_markup_made_to_hurt_costs_little(purpose: str) -> None:
    started = time.process_time()
    check(html_of(purpose))
    assert time.process_time() - started < 3
