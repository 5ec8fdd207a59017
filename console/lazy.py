"""A group of commands, each of whose modules is imported when the command is run.

The list of commands needs only their names and one line about each; their modules import the
database, the broker and all stages.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from shared.base.errors import CannotStart


class LazyCommand(NamedTuple):
    """A command that `module` registers. `help`: the first sentence of its own help.

    `extra`: the optional part of our dependencies it needs, known by the package `needs`.
    """

    module: str
    help: str
    extra: str = ""
    needs: str = ""


class Commands(Mapping[str, Any]):
    """The commands themselves, by name: looking one up imports its module.

    Raises `CannotStart` when the packages of the command's extra are not installed.
    """

    def __init__(self, known: Mapping[str, LazyCommand]) -> None:
        self._known = known

    def __getitem__(self, name: str) -> Any:
        command = self._known[name]
        if command.extra and not _is_installed(command.needs):
            raise CannotStart(
                f"{name} needs packages that are not installed ({command.needs} and others):"
                f" pip install 'budkavle[{command.extra}]'"
            )
        app = typer.Typer()
        app.callback()(_group)  # else an app with one command is that command
        import_module(command.module).register(app)
        return typer.main.get_group(app).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


def _group() -> None:
    """Do nothing before the commands."""


class LazyGroup(TyperGroup):
    """Lists `known` without importing any of it."""

    known: Mapping[str, LazyCommand]

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = Commands(self.known)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - of the group it stands in for
        return [*self.known]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The entry in the list of commands; `resolve_command` finds the command to run."""
        if cmd_name not in self.known:
            return None
        return TyperCommand(cmd_name, help=self.known[cmd_name].help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and self.commands[name], rest
