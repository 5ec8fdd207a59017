"""The load of `tests.chaos` ends when it is told to."""

import asyncio
from typing import Any

from tests.chaos.cases import Source
from tests.chaos.load import Load
from tests.chaos.plan import Plan

_LATE = Source("SE1", ("SE1-U1",), activates_at=3600)


def test_what_was_to_be_activated_later_is_so_at_the_end() -> None:
    activated: list[Source] = []
    asyncio.run(_act_and_end(activated))
    assert activated == [_LATE]


async def _act_and_end(activated: list[Source]) -> None:

    async def activate(source: Source) -> None:
        activated.append(source)

    nothing: Any = None
    load = Load(
        Plan((_LATE,), (), (), {}),
        *(nothing, nothing),
        told=lambda _bookings: 0,
        activate=activate,
        deactivate=activate,
        seconds=7200,
    )
    acting = asyncio.create_task(load.act())
    await asyncio.sleep(0)
    assert not activated
    load.end()
    await asyncio.wait_for(acting, 10)
    assert load.activated == 1
