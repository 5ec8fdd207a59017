"""Reads request bodies within bounds: of size, of time, and of memory over all requests."""

import asyncio

from ingest.asgi import HttpRequest, SenderGone
from ingest.handler import Faulted, FaultReason


class TurnedAway(Exception):
    """The request is answered before it is read to its end, and nothing of it is taken."""

    def __init__(self, answer: Faulted) -> None:
        super().__init__(answer.text)
        self.answer = answer


OVERLOADED = Faulted(
    FaultReason.OVERLOADED, "Server", "Too many requests at once; send it again.", 503
)
_TOO_SLOW = Faulted(FaultReason.TOO_SLOW, "Client", "The request took too long to arrive.", 408)
_GONE = Faulted(FaultReason.GONE, "Client", "The sender went away.", 400)


class Intake:
    """Reads whole bodies, and counts the bytes that are held."""

    def __init__(self, *, max_body_bytes: int, max_held_bytes: int, read_seconds: float) -> None:
        self._max_body_bytes = max_body_bytes
        self._max_held_bytes = max_held_bytes
        self._read_seconds = read_seconds
        self._held_bytes = 0

    async def body_of(self, request: HttpRequest) -> bytes:
        """The whole body; its bytes count as held until `let_go`. Raises `TurnedAway`."""
        self._demand_fits(int(request.header(b"content-length") or 0))
        chunks: list[bytes] = []
        try:
            await self._read(request, chunks)
        except BaseException:
            self._held_bytes -= sum(map(len, chunks))
            raise
        return b"".join(chunks)

    def let_go(self, body: bytes) -> None:
        """The request is answered: its bytes no longer count as held."""
        self._held_bytes -= len(body)

    async def _read(self, request: HttpRequest, chunks: list[bytes]) -> None:
        size, more = 0, True
        try:
            async with asyncio.timeout(self._read_seconds):
                while more:
                    chunk, more = await request.chunk()
                    size += len(chunk)
                    self._demand_fits(size)
                    self._hold(chunk, chunks)
        except TimeoutError:
            raise TurnedAway(_TOO_SLOW) from None
        except SenderGone:
            raise TurnedAway(_GONE) from None

    def _demand_fits(self, size: int) -> None:
        if size > self._max_body_bytes:
            text = f"The request is larger than {self._max_body_bytes} bytes."
            raise TurnedAway(Faulted(FaultReason.TOO_LARGE, "Client", text, 413))

    def _hold(self, chunk: bytes, chunks: list[bytes]) -> None:
        if self._held_bytes + len(chunk) > self._max_held_bytes:
            raise TurnedAway(OVERLOADED)
        self._held_bytes += len(chunk)
        chunks.append(chunk)
