"""What notices say: the same words to everyone, from files that a region may replace.

A notice holds nothing of the patient's (docs/domain.md, "The notice"), so its text has no place to
put anything in, and a file that looks as if it had one is refused at start.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from notifier.gsm import PART, foreign_characters, septets

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


class UnfitText(ValueError):
    """A text of the notices cannot be sent as it is. Says which file, and why."""


@dataclass(frozen=True, slots=True)
class Texts:
    sms: str
    email_subject: str
    email_body: str


def load_texts(folder: Path | None = None) -> Texts:
    """The texts in `folder`; ours for those it does not have. Raises `UnfitText`."""
    if folder is not None and not folder.is_dir():
        raise UnfitText("the folder of texts does not exist")
    sms, subject, body = (_read(name, folder) for name in (_SMS, _SUBJECT, _BODY))
    _require_nothing_personal({_SMS: sms, _SUBJECT: subject, _BODY: body})
    _require_one_part(sms)
    _require_one_line(subject)
    if len(body) > _LONGEST_BODY:
        raise UnfitText(f"{_BODY} is longer than {_LONGEST_BODY} characters")
    return Texts(sms, subject, body + "\n")


def _read(name: str, folder: Path | None) -> str:
    ours = _OURS / name
    path = folder / name if folder else ours
    try:
        text = (path if path.exists() else ours).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise UnfitText(f"{name} cannot be read: {type(error).__name__}") from error
    if not text:
        raise UnfitText(f"{name} is empty")
    return text


def _require_nothing_personal(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        for what, pattern in _PERSONAL.items():
            if pattern.search(text):
                raise UnfitText(f"{name} holds {what}; a notice holds nothing of the patient's")


def _require_one_part(sms: str) -> None:
    if foreign := foreign_characters(sms):
        named = ", ".join(f"{char!r} (U+{ord(char):04X})" for char in foreign)
        raise UnfitText(f"{_SMS} holds characters outside GSM 03.38: {named}")
    if (length := septets(sms)) > PART:
        raise UnfitText(f"{_SMS} takes {length} characters of GSM 03.38; one SMS part has {PART}")


def _require_one_line(subject: str) -> None:
    if len(subject.splitlines()) > 1 or len(subject) > _LONGEST_SUBJECT:
        raise UnfitText(f"{_SUBJECT} is not one line of at most {_LONGEST_SUBJECT} characters")
