"""The sandbox inside a test: a whole world on free ports, on a loop of its own thread."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

import requests

from sandbox.loop import new_loop
from sandbox.settings import SandboxSettings
from sandbox.world import Addresses, World

#: The index's waits, short enough for tests.
_SHORT = {"sandbox_index_merge_seconds": 0.02, "sandbox_index_resend_seconds": 0.05}

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


@dataclass(frozen=True)
class RunningWorld:
    """Where it is, and short ways to its control API."""

    addresses: Addresses

    def control(self, method: str, path: str, said: Any = None) -> Any:
        """The JSON answer; an HTTP error is one of the test."""
        answer = self.try_control(method, path, said)
        assert answer.ok, answer.text
        return answer.json()

    def try_control(self, method: str, path: str, said: Any = None) -> requests.Response:
        return requests.request(method, self.addresses.control + path, json=said, timeout=10)


@contextmanager
def running_world(**settings: Any) -> Iterator[RunningWorld]:
    """A world with these settings beside the defaults, stopped at the end."""
    loop = new_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()

    async def start() -> World:
        world = World(SandboxSettings(**_SHORT | settings))
        await world.start()
        return world

    try:
        world = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        try:
            yield RunningWorld(world.addresses)
        finally:
            asyncio.run_coroutine_threadsafe(world.stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
