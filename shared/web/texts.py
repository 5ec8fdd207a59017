"""The texts of pages, in Swedish and English, and which of them a browser wants.

One TOML file for each page, both languages side by side:

    title = { sv = "Läget", en = "Live" }

`title` of `live.toml` is named `live.title`. `{number}` in a text is filled in by `number=…`.
"""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args

Language = Literal["sv", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

#: A text by its name, filled in with values.
Translate = Callable[..., str]


class Texts:
    """The texts of all `*.toml` files in `folders`.

    Raises `ValueError` for a text that lacks one of the languages.
    """

    def __init__(self, *folders: Path) -> None:
        self._texts = dict(_all_texts(folders))

    def __contains__(self, name: str) -> bool:
        return name in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def translate(self, language: Language) -> Translate:
        """Takes the name of a text, and its values. Raises `KeyError` for an unknown name."""

        def text(name: str, /, **values: object) -> str:
            found = self._texts[name][language]
            return found.format(**values) if values else found

        return text


def _all_texts(folders: Iterable[Path]) -> Iterable[tuple[str, Mapping[str, str]]]:
    for folder in folders:
        for file in sorted(folder.glob("*.toml")):
            for key, text in tomllib.loads(file.read_text(encoding="utf-8")).items():
                if set(text) != set(LANGUAGES):
                    raise ValueError(f"{file.name}: {key} does not have {' and '.join(LANGUAGES)}")
                yield f"{file.stem}.{key}", text


def language_of(accept_language: str) -> Language:
    """The language that a browser likes best of ours, by its `Accept-Language`; else English."""
    wanted = [_weighed(part) for part in accept_language.split(",")]
    for name, weight in sorted(wanted, key=lambda one: -one[1]):
        for language in LANGUAGES:
            if weight > 0 and name.partition("-")[0] == language:
                return language
    return "en"


def _weighed(part: str) -> tuple[str, float]:
    """`en;q=0.8` as a name and its weight."""
    name, _, weight = part.partition(";q=")
    try:
        return name.strip().lower(), float(weight or 1)
    except ValueError:
        return "", 0
