"""Characters that no reader should be handed, and what is put in their place.

Nothing here joins two words: "2" and "500 mg" with a character between them that is taken out would
read as another dose.
"""

import re

from shared.riv.xml import LINE_ENDS, LINE_SEPARATOR

#: A line break inside of a paragraph, however much white space stands around it.
LINE = LINE_SEPARATOR
#: A line break that counts each time: two of them are a blank line.
LINE_END = "\u2029"

_HYPHEN, _OPTIONAL_HYPHEN = "\x1e", "\x1f"
#: Marks that turn the direction of what follows.
_DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
#: Controls, lone surrogates and non-characters; and the marks of direction.
_UNPRINTABLE = re.compile(
    rf"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff{_DIRECTIONS}]"
)
_INSTEAD = {
    **dict.fromkeys(LINE_ENDS, LINE),
    **dict.fromkeys(_DIRECTIONS, ""),
    # Text in windows-1252 that was called ISO-8859-1, as browsers read it.
    **{chr(code): bytes([code]).decode("cp1252", "replace") for code in range(0x80, 0xA0)},
    _HYPHEN: "-",
    _OPTIONAL_HYPHEN: "",
}


def legible(text: str) -> str:
    """`text` without characters that no reader should be handed; line breaks among them are `LINE`,
    line ends `\\n`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNPRINTABLE.sub(lambda found: _INSTEAD.get(found[0], " "), text)


def printable(text: str) -> str:
    """As `legible`, with `\\n` for every line break."""
    return legible(text).replace(LINE, "\n").replace(LINE_END, "\n")
