"""docs/tutorial.md, followed in two shells: every command is run, every output is looked for. So is
docs/stage-by-stage.md, in one.

A block marked `sh` is run. A block marked `text` after it is what it prints: each of its lines must
be found, with `…` for anything. The first block starts the demo and has a shell of its own.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.polling import eventually
from tests.services.hosts import find_programs

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
STAGE_BY_STAGE = ROOT / "docs" / "stage-by-stage.md"

_RUNNING = "Addresses and settings:"
_END = "--- end of block"
#: What only looks may be run again until it shows what it is to show.
_ACTS = re.compile(r"curl .*-X|budkavle (source add|contact set|dead replay|sandbox|run)")


class Block(NamedTuple):
    """Commands of the tutorial, and the lines that it says they print."""

    commands: str
    printed: tuple[str, ...]

    @property
    def only_looks(self) -> bool:
        return not _ACTS.search(self.commands)


def blocks(page: Path = TUTORIAL) -> list[Block]:
    found = re.findall(r"^```(sh|text)\n(.*?)^```", page.read_text(), re.M | re.S)
    read: list[Block] = []
    for kind, text in found:
        if kind == "sh":
            read.append(Block(text, ()))
        else:
            read[-1] = read[-1]._replace(printed=tuple(text.splitlines()))
    return read


class Shell:
    """A bash that ends at the first command that fails, as a reader would."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "-e"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, commands: str) -> str:
        """What `commands` print. AssertionError when one of them fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{commands}\necho; echo '{_END}'\n")
        self._process.stdin.flush()
        printed: list[str] = []
        for line in self._process.stdout:
            if line.strip() == _END:
                return "".join(printed)
            printed.append(line)
        raise AssertionError(f"failed: {commands}\n{''.join(printed)}")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


@contextmanager
def demo(commands: str, environment: Mapping[str, str], log: Path) -> Iterator[None]:
    """The first terminal, until Ctrl-C."""
    with log.open("w") as output:
        process = subprocess.Popen(
            ["bash", "-ec", commands],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        eventually(lambda: _RUNNING in log.read_text() or process.poll() is not None, timeout=120)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


def pattern_of(line: str) -> str:
    """`…` stands for anything on the line; blanks for any number of them."""
    parts = (r"[ \t]+".join(map(re.escape, part.split(" "))) for part in line.split("…"))
    return ".*".join(parts)


def shows(printed: str, block: Block) -> bool:
    return all(re.search(pattern_of(line), printed) for line in block.printed)


@pytest.mark.timeout(300)
def test_every_command_of_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    find_programs("curl", (), ("curl",))
    walk(TUTORIAL, tmp_path)


@pytest.mark.timeout(120)
def test_stages_are_started_killed_and_doubled_one_by_one(tmp_path: Path) -> None:
    find_programs("curl", (), ("curl",))
    with closing(Shell({**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "160"})) as shell:
        for block in blocks(STAGE_BY_STAGE):
            follow(shell, block)


def walk(page: Path, tmp_path: Path) -> None:
    """Do what `page` says: the first block starts the demo, the others follow in a shell."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "160"}
    start, *rest = blocks(page)
    first_terminal = demo(start.commands, environment, tmp_path / "demo.txt")
    with first_terminal, closing(Shell(environment)) as shell:
        for block in rest:
            follow(shell, block)
    assert not list(tmp_path.glob("budkavle-demo-*"))


def follow(shell: Shell, block: Block) -> None:
    printed = [shell.run(block.commands)]
    if not block.only_looks:
        assert shows(printed[0], block), printed[0]
        return

    def shown() -> bool:
        if shows(printed[-1], block):
            return True
        printed.append(shell.run(block.commands))
        return False

    try:
        eventually(shown, timeout=60, every=0.5)
    except AssertionError:
        raise AssertionError(f"{block.printed} is not in\n{printed[-1]}") from None


def test_the_tutorial_says_what_is_printed() -> None:
    assert sum(bool(block.printed) for block in blocks()) >= 8
    assert shows("a  booking confirmation   x\n", Block("", ("… booking confirmation …",)))
    assert not shows("a booking\n", Block("", ("… booking confirmation …",)))
