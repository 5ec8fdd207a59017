"""What notices say: the same words to everyone, from files that a region may replace.

A notice holds nothing of the patient's (docs/domain.md, "The notice"), so its text has no place to
put anything in, and a file that looks as if it had one is refused at start.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shared.base.text_folder import TextFolder, UnfitText
from shared.booking.gsm import PART, foreign_characters, septets

_OURS = Path(__file__).parent / "templates"
_SMS, _SUBJECT, _BODY = "sms.txt", "email_subject.txt", "email_body.txt"
_LONGEST_SUBJECT = 150
_LONGEST_BODY = 10_000

#: What gives a text away as made for, or copied from, one patient's message.
_PERSONAL = {
    "a placeholder": re.compile(r"[{}<>]|\$\w|%[a-z(]"),
    "a person number": re.compile(r"(?:\d\d)?\d\d(?:0[1-9]|1[0-2])[0-9]\d[-+ ]?[0-9A-Z]\d{3}"),
    "a date": re.compile(r"\d{4}-\d\d-\d\d|\b\d{1,2}/\d{1,2}\b"),
    "a time of day": re.compile(r"\b\d{1,2}[.:]\d\d\b"),
}


@dataclass(frozen=True, slots=True)
class Text:
    """What one kind of notice says of one message, and of several."""

    one: str
    several: str

    def about(self, *, several: bool) -> str:
        return self.several if several else self.one


@dataclass(frozen=True, slots=True)
class Texts:
    sms: Text
    email_subject: Text
    email_body: Text


def load_texts(folder: Path | None = None) -> Texts:
    """The texts in `folder`; ours for those it does not have. Raises `UnfitText`."""
    texts = TextFolder(_OURS, folder)
    return Texts(
        _both(texts, _SMS, _require_one_part),
        _both(texts, _SUBJECT, _require_one_line),
        _both(texts, _BODY, _require_not_long),
    )


def _both(texts: TextFolder, name: str, require: Callable[[str, str], None]) -> Text:
    """A region that has its own text about one message and none about several says that of both."""
    for_several = name.replace(".txt", "_several.txt")
    if texts.replaces(name) and not texts.replaces(for_several):
        for_several = name
    return Text(_read(texts, name, require), _read(texts, for_several, require))


def _read(texts: TextFolder, name: str, require: Callable[[str, str], None]) -> str:
    text = texts.read(name).strip()
    if not text:
        raise UnfitText(f"{name} is empty")
    for what, pattern in _PERSONAL.items():
        if pattern.search(text):
            raise UnfitText(f"{name} holds {what}; a notice holds nothing of the patient's")
    require(name, text)
    return text


def _require_one_part(name: str, sms: str) -> None:
    if foreign := foreign_characters(sms):
        named = ", ".join(f"{char!r} (U+{ord(char):04X})" for char in foreign)
        raise UnfitText(f"{name} holds characters outside GSM 03.38: {named}")
    if (length := septets(sms)) > PART:
        raise UnfitText(f"{name} takes {length} characters of GSM 03.38; one SMS part has {PART}")


def _require_one_line(name: str, subject: str) -> None:
    if len(subject.splitlines()) > 1 or len(subject) > _LONGEST_SUBJECT:
        raise UnfitText(f"{name} is not one line of at most {_LONGEST_SUBJECT} characters")


def _require_not_long(name: str, body: str) -> None:
    if len(body) > _LONGEST_BODY:
        raise UnfitText(f"{name} is longer than {_LONGEST_BODY} characters")
