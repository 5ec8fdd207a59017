"""What docs/tutorial.md says of the sandbox's control API is what the sandbox has."""

import asyncio
import re
from pathlib import Path

from sandbox.faults import BookingFault, SmsFault, SmtpFault
from sandbox.settings import SandboxSettings
from sandbox.world import World

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
API = PAGE.partition("## The sandbox's control API")[2]
KINDS = {"unit": BookingFault, "sms": SmsFault, "smtp": SmtpFault}


def rows(columns: int) -> list[list[str]]:
    """The rows of the API's table that has that many columns and begins with back-ticks."""
    cells = [line.strip("|").split("|") for line in API.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in cells if len(row) == columns]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


async def routes() -> set[tuple[str, str]]:
    router = World(SandboxSettings())._routes()
    return {(method, "/" + "/".join(path)) for method, path, _ in router._routes}


def test_every_path_of_the_control_api_is_described() -> None:
    described = {
        (method, path)
        for methods, paths, *_ in rows(3)
        if methods.startswith(("`GET", "`PUT", "`POST", "`DELETE"))
        for method in names(methods)
        for path in names(paths)
    }
    assert described == asyncio.run(routes())


def test_every_fault_is_described_for_those_it_strikes() -> None:
    described = {
        (whom.strip(), kind)
        for kinds, targets, _ in rows(3)
        if targets.split(",")[0] in KINDS
        for kind in names(kinds)
        for whom in targets.split(",")
    }
    assert described == {(whom, str(kind)) for whom, kinds in KINDS.items() for kind in kinds}
