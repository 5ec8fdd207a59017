"""The commands that deploy/ may name."""

from collections.abc import Sequence

import typer.main

from console.__main__ import app
from shared.relay.topology import STAGES


def assert_command_exists(words: Sequence[str]) -> None:
    command = typer.main.get_group(app)
    found = command.commands[words[0]]
    if words[0] == "run":
        assert set(words[1:]) <= set(STAGES)
    elif words[1:]:
        assert words[1] in getattr(found, "commands", {})
