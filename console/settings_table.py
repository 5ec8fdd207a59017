"""`budkavle settings`: every setting, from the classes that read them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from console.output import AsJson, print_json, print_rows, say
from shared.base.settings import Settings
from shared.relay.topology import STAGES
from shared.stage.settings import CommonSettings

#: A longer default, such as a regular expression, is not shown.
_LONGEST_DEFAULT = 60
_EVERYONE = "all"
#: Processes whose settings are not in the module `<process>.settings`.
_MODULES = {"pages": "console.web.settings", "inbox": "console.inbox_api.settings"}

AsMarkdown = Annotated[bool, typer.Option("--markdown", help="As the table in docs/settings.md.")]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `default` is None when there is none: it must be set."""

    name: str
    default: str | None
    read_by: tuple[str, ...]
    description: str


def register(app: typer.Typer) -> None:
    app.command("settings")(settings)


def settings(*, as_json: AsJson = False, as_markdown: AsMarkdown = False) -> None:
    """Every setting there is: its default, who reads it, and what it does."""
    if as_markdown:
        say(markdown())
    elif as_json:
        print_json(all_settings())
    else:
        print_rows([_row(setting) for setting in all_settings()], empty="")


def all_settings() -> list[Setting]:
    """First those of every process, then each stage's in the order of the stages."""
    found = {setting.name: setting for setting in _read_by(CommonSettings, _EVERYONE)}
    world = ("sandbox",) if find_spec("sandbox") else ()  # a production image is without it
    for process in (*STAGES, "console", *_MODULES, *world):
        for setting in _read_by(settings_of(process), process):
            known = found.setdefault(setting.name, setting)
            if not {_EVERYONE, process} & set(known.read_by):
                found[setting.name] = replace(known, read_by=(*known.read_by, process))
    return list(found.values())


def markdown() -> str:
    """The table of `all_settings`, in GitHub's Markdown."""
    lines = ["| setting | default | read by | meaning |", "|---|---|---|---|"]
    for setting in all_settings():
        default = "**to be set**" if setting.default is None else _code(setting.default)
        meaning = setting.description.replace("|", "\\|")
        lines.append(f"| `{setting.name}` | {default} | {_listed(setting.read_by)} | {meaning} |")
    return "\n".join(lines)


def settings_of(process: str) -> type[Settings]:
    """The one class of settings that the module of `process` defines."""
    module = import_module(_MODULES.get(process, f"{process}.settings"))
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Settings)
        and value.__module__ == module.__name__
    )
    return found


def _read_by(model: type[Settings], process: str) -> Iterable[Setting]:
    for name, field in model.model_fields.items():
        default = (
            None
            if field.is_required()
            else shown_value(field.get_default(call_default_factory=True))
        )
        yield Setting(f"BUDKAVLE_{name.upper()}", default, (process,), field.description or "")


def shown_value(value: Any) -> str:
    """`value` as it would be written into the environment."""
    match value:
        case None:
            return ""
        case SecretStr():
            return value.get_secret_value()
        case bool():
            return str(value).lower()
        case timedelta():
            return f"{value.total_seconds():g}"
        case float():
            return f"{value:g}"
        case tuple():
            return " ".join(map(shown_value, value))
        case _:
            return str(value)


def _row(setting: Setting) -> dict[str, object]:
    return {
        "setting": setting.name,
        "default": "(to be set)" if setting.default is None else _shortened(setting.default),
        "read by": _listed(setting.read_by),
        "meaning": setting.description,
    }


def _code(text: str) -> str:
    shown = _shortened(text)
    return shown if shown != text or not text else f"`{text}`"


def _shortened(text: str) -> str:
    return "(built in)" if len(text) > _LONGEST_DEFAULT else text


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
