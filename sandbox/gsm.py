"""How many parts an SMS takes (GSM 03.38): a judge of our own, apart from what the relay thinks."""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€\f")  # each takes two places

_ONE_PART, _OF_MANY = 160, 153
_ONE_WIDE_PART, _OF_MANY_WIDE = 70, 67


def sms_parts(text: str) -> int:
    """At least 1. One character outside the alphabet halves the size of all parts."""
    if _BASIC.union(_EXTENDED).issuperset(text):
        places = len(text) + sum(letter in _EXTENDED for letter in text)
        return _parts(places, _ONE_PART, _OF_MANY)
    return _parts(len(text.encode("utf-16-be")) // 2, _ONE_WIDE_PART, _OF_MANY_WIDE)


def _parts(places: int, one_part: int, of_many: int) -> int:
    return 1 if places <= one_part else -(-places // of_many)
