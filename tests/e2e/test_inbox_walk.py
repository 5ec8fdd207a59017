"""docs/inbox-api.md, its walk with curl followed in two shells: every output is looked for."""

from pathlib import Path

import pytest

from tests.e2e.test_tutorial import ROOT, blocks, walk
from tests.services.hosts import find_programs

PAGE = ROOT / "docs" / "inbox-api.md"


@pytest.mark.timeout(300)
def test_every_command_of_the_walk_prints_what_it_says(tmp_path: Path) -> None:
    find_programs("curl", (), ("curl",))
    assert sum(bool(block.printed) for block in blocks(PAGE)) >= 6
    walk(PAGE, tmp_path)
