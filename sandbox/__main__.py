"""Run the outside world until SIGTERM or SIGINT: `python -m sandbox`.

When everything listens, one JSON line on standard output gives the addresses.
"""

import asyncio
import json
import signal
import sys
from dataclasses import asdict

from sandbox.loop import new_loop
from sandbox.settings import SandboxSettings
from sandbox.world import World
from shared.base.settings import blaming
from shared.stage.process import start


def run(settings: SandboxSettings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_serve(settings))
    return 0


async def _serve(settings: SandboxSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    world = World(settings)
    try:
        with blaming("BUDKAVLE_SANDBOX_…_BIND"):
            await world.start()
        print(json.dumps(asdict(world.addresses)), flush=True)  # noqa: T201 - the ready line
        await stop.wait()
    finally:
        await world.stop()


if __name__ == "__main__":
    sys.exit(start("sandbox", SandboxSettings, run))
