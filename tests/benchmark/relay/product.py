"""Whose programs run: this tree's, or those of another commit in a work tree of its own.

`python -m tests.benchmark.relay.product TREE MODULE [WORD…]` becomes that program of the other
tree, in its environment. The benchmark itself, the sandbox and the servers are always this tree's,
so that the product is all that differs.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Product:
    """The programs of the work tree at `tree`; None: of this one."""

    tree: Path | None = None

    def module(self, words: str) -> str:
        """What stands after `python -m` to run `words` (a module and its arguments)."""
        return f"{__name__} {self.tree} {words}" if self.tree else words

    def set_up(self, environment: Mapping[str, str]) -> None:
        """`budkavle setup`. Raises `CalledProcessError`."""
        command = [sys.executable, "-m", *self.module("console setup").split()]
        subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True)


OURS = Product()


def become(tree: Path, words: list[str]) -> None:
    os.chdir(tree)
    python = str(tree / ".venv" / "bin" / "python")
    os.execv(python, [python, "-m", *words])


if __name__ == "__main__":
    become(Path(sys.argv[1]), sys.argv[2:])
