"""Names from booking systems, as one line of plain text each (docs/domain.md, "How a purpose is
read")."""

import re
from html import unescape

from composer.characters import printable
from composer.elements import INLINE, KNOWN
from shared.booking.identity import is_hsa_id

#: Far above any real name or reason.
_LONGEST_LINE = 500
#: What was escaped once more than XML needs.
_ENTITY = re.compile(r"&(?:#[0-9]{2,6}|#x[0-9a-fA-F]{2,5}|[A-Za-z]{2,8});")
_SCRIPT = re.compile(r"<(script|style)\b[^<>]*>.{0,500}?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9:]{0,30})(?:\s[^<>]{0,500})?/?>")


def name(text: str) -> str:
    """`text` without markup; "" when it names nothing: an HSA-id, or punctuation alone."""
    found = line(_without_markup(text) if "&" in text or "<" in text else text)
    if not any(map(str.isalnum, found)) or is_hsa_id(found.strip("()[]{}.,:; ")):
        return ""  # some systems give the id where the name belongs
    return found


def line(text: str) -> str:
    """One printable line of bearable length, whatever the booking system sent."""
    folded = " ".join(printable(text).split())
    return folded if len(folded) <= _LONGEST_LINE else f"{folded[:_LONGEST_LINE]}…"


def _without_markup(text: str) -> str:
    """Entities are decoded once. What only looks like a tag stays."""
    decoded = _ENTITY.sub(lambda entity: unescape(entity[0]), text)
    return _TAG.sub(_trace, _SCRIPT.sub(" ", decoded))


def _trace(tag: re.Match[str]) -> str:
    element = tag[1].rpartition(":")[2].lower()
    if element not in KNOWN:
        return tag[0]
    return "" if element in INLINE else " "
