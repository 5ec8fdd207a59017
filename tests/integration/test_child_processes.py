"""A child that cannot start says why, and no two servers are given the same port."""

import subprocess
import sys
from pathlib import Path

import pytest

from console.processes import Child, NotReady
from tests.services.ports import free_port

_PRINT_PORTS = (
    "from tests.services.ports import free_port; [print(free_port()) for _ in range(100)]"
)


def test_a_child_that_cannot_start_says_why(tmp_path: Path) -> None:
    child = Child("composer", {"BUDKAVLE_HEALTH_BIND": "nowhere"}, tmp_path / "composer.log")
    with pytest.raises(NotReady, match=r"exit code 2 before it was ready: .*BUDKAVLE_HEALTH_BIND"):
        child.ready(30)
    assert child.stop() == 2


def test_no_port_is_given_twice_on_this_machine() -> None:
    ours = [free_port() for _ in range(100)]
    said = subprocess.check_output([sys.executable, "-c", _PRINT_PORTS], text=True)
    theirs = [int(line) for line in said.split()]
    assert len({*ours, *theirs}) == 200
