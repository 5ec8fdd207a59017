"""The length of SMS texts in the default alphabet of GSM 03.38 (7 bits).

A text with one character outside it is sent in UCS-2: 70 characters to a part instead of 160
(docs/domain.md, "The notice").
"""

#: Septets in one SMS part, and in each of several, which begin with a header.
PART, _ONE_OF_SEVERAL = 160, 153
#: The same for texts in the other alphabet, UCS-2, in its units.
_WIDE_PART, _WIDE_ONE_OF_SEVERAL = 70, 67

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Each is sent as an escape and a character of the extension table: two septets.
_EXTENSION = frozenset("\f^{}\\[~]|€")


def foreign_characters(text: str) -> list[str]:
    """The characters of `text` outside GSM 03.38, each once, in order of appearance."""
    return [char for char in dict.fromkeys(text) if char not in _BASIC | _EXTENSION]


def septets(text: str) -> int:
    """The length of `text`, whose characters are all in the alphabet."""
    return sum(2 if char in _EXTENSION else 1 for char in text)


def parts(text: str) -> int:
    """How many SMS parts `text` takes, at least 1."""
    if foreign_characters(text):
        return _parts(len(text.encode("utf-16-be")) // 2, _WIDE_PART, _WIDE_ONE_OF_SEVERAL)
    return _parts(septets(text), PART, _ONE_OF_SEVERAL)


def _parts(length: int, one_part: int, one_of_several: int) -> int:
    return 1 if length <= one_part else -(-length // one_of_several)
