"""A TCP proxy on loopback for many busy connections, that cuts and silences them, in a process of
its own: `python -m tests.chaos.proxy PORT TARGET_PORT...` does as it is told on its standard input.

Of several targets it takes one after the other, and the next one where the connection is refused.

`tests.proxy` is the simpler one, with two threads a connection, for tests with few of them.
"""

import asyncio
import json
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import cast

import uvloop


class Proxy:
    """Passes on what comes to `port`. To be used within one loop."""

    def __init__(self, *target_ports: int, port: int = 0) -> None:
        self._target_ports = deque(target_ports)
        self._server: asyncio.Server | None = None
        self._ends: set[_End] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._silent = False
        self.port = port  # 0: any free one

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _End(self._on_client, self._ends.discard), "127.0.0.1", self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> int:
        """Break every connection that is open now; how many there were."""
        ends = list(self._ends)
        for end in ends:
            end.break_off()
        return len(ends) // 2

    def silence(self) -> None:
        """Pass nothing more on, and keep the connections open: a cable that was pulled."""
        self._silent = True
        for end in self._ends:
            end.hold(_Hold.SILENCE)

    def resume(self) -> None:
        """Pass on again, also what came meanwhile."""
        self._silent = False
        for end in self._ends:
            end.release(_Hold.SILENCE)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()

    def _on_client(self, client: "_End") -> None:
        task = asyncio.get_running_loop().create_task(self._connect(client))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, client: "_End") -> None:
        server = _End(lambda _end: None, self._ends.discard)
        if not await self._reach(server):
            client.break_off()
            return
        if not (client.is_open and server.is_open):  # one of them has gone meanwhile
            client.break_off()
            server.break_off()
            return
        self._ends |= {client, server}
        client.join(server)
        server.join(client)
        if self._silent:
            client.hold(_Hold.SILENCE)
            server.hold(_Hold.SILENCE)

    async def _reach(self, server: "_End") -> bool:
        """Connect `server` to the first target that takes it."""
        loop = asyncio.get_running_loop()
        self._target_ports.rotate()
        for port in tuple(self._target_ports):
            with suppress(OSError):
                await loop.create_connection(lambda: server, "127.0.0.1", port)
                return True
        return False


class _Hold(Enum):
    """Why nothing is read from an end."""

    SILENCE = auto()
    OTHER_IS_FULL = auto()


class _End(asyncio.Protocol):
    """One side of a connection: what is read here is written to `other`."""

    def __init__(
        self, on_made: Callable[["_End"], None], on_lost: Callable[["_End"], None]
    ) -> None:
        self._on_made = on_made
        self._on_lost = on_lost
        self._holds: set[_Hold] = set()
        self._transport: asyncio.Transport | None = None
        self._other: _End | None = None
        self._early = b""  # what was read before there was another end

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def join(self, other: "_End") -> None:
        self._other = other
        early, self._early = self._early, b""
        other.write(early)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._on_made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_lost(self)
        if self._other is not None:
            self._other.finish()

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._early += data
        else:
            self._other.write(data)

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other.hold(_Hold.OTHER_IS_FULL)

    def resume_writing(self) -> None:
        if self._other is not None:
            self._other.release(_Hold.OTHER_IS_FULL)

    def hold(self, reason: _Hold) -> None:
        self._holds.add(reason)
        if self._transport is not None:
            self._transport.pause_reading()

    def release(self, reason: _Hold) -> None:
        self._holds.discard(reason)
        if self._transport is not None and not self._holds:
            self._transport.resume_reading()

    def finish(self) -> None:
        """The other side has closed: what it said last is still passed on."""
        if self._transport is not None:
            self._transport.close()

    def break_off(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def serve(port: int, *target_ports: int) -> None:
    """Say where we are, and obey one word a line, each answered by a line, until there are none."""
    proxy = Proxy(*target_ports, port=port)
    await proxy.start()
    orders = {"cut": proxy.cut, "silence": proxy.silence, "resume": proxy.resume}
    _say(proxy.port)
    while line := await asyncio.to_thread(sys.stdin.readline):
        _say(orders[line.strip()]())
    proxy.close()


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(serve(*map(int, sys.argv[1:])))
