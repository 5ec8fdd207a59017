"""What docs/architecture.md names is what the code has: stages, queues, rooms, outcomes."""

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

from shared.booking.messages import READS
from shared.relay.outcomes import Outcome
from shared.relay.topology import (
    DELAY_STEPS,
    DELIVERY_LIMIT,
    READING_STAGES,
    STAGES,
    dead_queue,
    delay_name,
    work_queue,
)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def part(heading: str) -> str:
    """What stands under `heading`, up to the next of its rank."""
    _, _, rest = PAGE.partition(f"\n## {heading}\n")
    return rest.partition("\n## ")[0]


def column(text: str, number: int) -> list[str]:
    """The cells of one column of the table in `text`, without its head and its back-ticks."""
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| ")]
    return [row[number].strip().strip("`") for row in rows[1:]]


def arrows(text: str) -> list[tuple[str, str]]:
    """From where to where the arrows of a flowchart lead, without the labels of its nodes."""
    plain = re.sub(r'\["[^"]*"\]', "", text)
    return re.findall(r"^ *(\w+) (?:-- [^>]*)?--> (\w+)", plain, re.MULTILINE)


def test_all_stages_stand_there_in_order() -> None:
    assert tuple(column(part("Stages"), 1)) == STAGES


def test_each_stage_reads_what_its_queue_holds() -> None:
    reads = dict(zip(column(part("Stages"), 1), column(part("Stages"), 2), strict=True))
    assert {stage: reads[stage] for stage in READING_STAGES} == {
        stage: message.__name__ for stage, message in READS.items()
    }


def test_the_arrows_between_stages_are_their_queues() -> None:
    labelled = re.findall(r"^ *(\w+) -- (budkavle\.\w+) --> (\w+)", part("Stages"), re.MULTILINE)
    pairs = zip(STAGES, READING_STAGES, strict=False)
    assert labelled == [(one, work_queue(other), other) for one, other in pairs]


def test_the_sequence_has_every_stage() -> None:
    participants = re.findall(r"participant (\w+)", part("The life of one notification"))
    assert [one for one in participants if one in STAGES] == list(STAGES)


def test_the_queues_are_those_of_the_topology() -> None:
    queues = part("Queues")
    assert column(queues, 1) == list(READING_STAGES)
    assert column(queues, 2) == [work_queue(stage) for stage in READING_STAGES]
    assert column(queues, 3) == [dead_queue(stage) for stage in READING_STAGES]
    assert re.findall(r"`(budkavle\.delay\.\w+)`", queues) == list(map(delay_name, DELAY_STEPS))
    assert f"after {DELIVERY_LIMIT} deliveries" in PAGE


def test_the_rooms_are_those_of_the_house() -> None:
    named = set(column(part("Rooms"), 1))
    rooms = [*(ROOT / "shared").glob("*/"), *(ROOT / "shared" / "relay").glob("*/")]
    here = {str(room.relative_to(ROOT)) for room in rooms if (room / "__init__.py").exists()}
    assert named == here | {"console", "sandbox"}


def test_the_arrows_between_rooms_lead_downwards() -> None:
    below = {room: rank for rank, layer in enumerate(layers()) for room in layer}
    drawn = [(one, other) for one, other in arrows(part("Rooms")) if one in below]
    assert {room for arrow in drawn for room in arrow} == set(below)
    assert [(one, other) for one, other in drawn if below[one] >= below[other]] == []


def test_the_outcomes_are_those_a_handler_may_answer() -> None:
    named = column(part("One delivery"), 1)
    assert named == [outcome.__name__ for outcome in get_args(Outcome)]


def layers() -> list[list[str]]:
    """The layers of `shared`, from above, as import-linter holds them."""
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    [walls] = [one for one in contracts if one.get("containers") == ["shared"]]
    return [layer.split(" | ") for layer in walls["layers"]]
