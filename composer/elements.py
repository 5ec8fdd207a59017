"""Elements of DocBook and HTML, by how the text in them is set apart.

What stands in no set here begins and ends a line: of an element that nobody knows, a line break too
many is harmless, and one too few may join two numbers.
"""

from functools import lru_cache

from shared.riv.xml import Element


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: They part no words: they stand within a sentence, or within a word.
INLINE = _names(
    "emphasis link ulink phrase quote subscript superscript abbrev acronym citetitle code literal"
    " email firstterm foreignphrase glossterm productname trademark uri wordasword"
    " a abbr b bdi bdo big cite del dfn em font i ins kbd mark q s samp small span strike strong"
    " sub sup tt u var wbr"
)
LINKS = _names("link ulink a")
RAISED = _names("superscript sup")
LOWERED = _names("subscript sub")

SECTIONS = _names("section bibliography sect1 sect2 sect3 sect4 sect5 simplesect chapter appendix")
HTML_HEADINGS = {f"h{level}": level for level in range(1, 7)}
HEADINGS = _names("title subtitle bridgehead").union(HTML_HEADINGS)
ORDERED = _names("orderedlist procedure ol")
LISTS = _names("itemizedlist ul") | ORDERED
ITEMS = _names("listitem step li")
#: Elements in which each line is one.
LITERAL = _names("literallayout programlisting screen synopsis address pre textarea")
#: Paragraphs, and what holds some. A table's rows are lines.
BLOCKS = (
    SECTIONS
    | HEADINGS
    | LISTS
    | ITEMS
    | LITERAL
    | _names(
        "purpose article info para simpara formalpara blockquote note tip important warning caution"
        " sidebar example informalexample figure table informaltable simplelist variablelist"
        " varlistentry html body p dl hr"
    )
)
ROWS = _names("row tr")
#: Their text is for machines.
HIDDEN = _names("script style")
#: A line break, and nothing else.
BREAKS = _names("br linebreak")
#: HTML has no end tags for these.
VOID = _names("br hr img input wbr col meta area source")

KNOWN = INLINE | BLOCKS | ROWS | HIDDEN | BREAKS | VOID | _names("div td th entry center")


def name_of(element: Element) -> str:
    """The element's name in lower case, whatever its prefix; "" for what is no element."""
    return _local_name(element.tag) if isinstance(element.tag, str) else ""


@lru_cache(maxsize=1024)
def _local_name(tag: str) -> str:
    return tag.rpartition("}")[2].rpartition(":")[2].lower()
