"""The settings that are in force, where each comes from, and whether every stage takes them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from console.checks import Check, ok, wrong
from console.settings_table import all_settings, settings_of, shown_value
from shared.base.errors import WrongSettings
from shared.base.settings import Settings
from shared.stage.settings import CommonSettings

_HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting that is set. `origin`: `environment`, or the name of a file."""

    name: str
    value: str
    origin: str


def effective_settings() -> list[Effective]:
    """The settings that do not have their default, in the order of the table of settings."""
    secret = {name for process in _processes() for name in _secrets_of(process)}
    found = ((setting.name, _origin(setting.name)) for setting in all_settings())
    return [
        Effective(name, _HIDDEN if name in secret else _raw(name), origin)
        for name, origin in found
        if origin
    ]


def check_settings(stages: Sequence[str]) -> Iterator[Check]:
    for stage in stages:
        try:
            settings_of(stage)()
        except WrongSettings as error:
            yield wrong(f"settings of the {stage}", str(error))
        else:
            yield ok(f"settings of the {stage}")


def loaded(stage: str) -> Settings | None:
    """The settings of a stage; None when they are wrong, which `check_settings` reports."""
    try:
        return settings_of(stage)()
    except WrongSettings:
        return None


def _processes() -> list[type[Settings]]:
    names = ("ingest", "filter", "fetcher", "composer", "notifier", "console", "pages", "sandbox")
    return [CommonSettings, *map(settings_of, names)]


def _secrets_of(model: type[Settings]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.get_default(call_default_factory=True), SecretStr):
            yield f"BUDKAVLE_{name.upper()}"


def _origin(name: str) -> str:
    """Where the setting comes from; "" for the default. The environment overrides files."""
    if _in_environment(name) is not None:
        return "environment"
    file = _file(name)
    return str(file) if file and file.is_file() else ""


def _raw(name: str) -> str:
    given = _in_environment(name)
    file = _file(name)
    return shown_value(given if given is not None or file is None else file.read_text().strip())


def _in_environment(name: str) -> str | None:
    return next((value for key, value in os.environ.items() if key.upper() == name), None)


def _file(name: str) -> Path | None:
    folder = os.environ.get("BUDKAVLE_SECRETS_DIR")
    return Path(folder) / name.lower() if folder else None
