"""The head of a response leaves with its body, and nothing is held back for long."""

import asyncio
from collections.abc import Callable

from ingest.server import OneWrite

HEAD, BODY = b"HTTP/1.1 200 OK\r\n\r\n", b"<ok/>"


class Wire:
    """A transport that keeps what is written at once."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def writelines(self, pieces: tuple[bytes, ...]) -> None:
        self.written.append(b"".join(pieces))

    def close(self) -> None:
        self.written.append(b"closed")


def written(write: Callable[[OneWrite], None]) -> tuple[list[bytes], list[bytes]]:
    """What is on the wire at once, and after one iteration of the event loop."""
    wire = Wire()

    async def scene() -> list[bytes]:
        write(OneWrite(wire, asyncio.get_running_loop()))  # type: ignore[arg-type]
        at_once = [*wire.written]
        await asyncio.sleep(0)
        return at_once

    return asyncio.run(scene()), wire.written


def test_head_and_body_are_one_write() -> None:
    def respond(transport: OneWrite) -> None:
        transport.write(HEAD)
        transport.write(BODY)
        transport.write(BODY)

    assert written(respond) == ([HEAD + BODY, BODY],) * 2


def test_a_head_without_a_body_is_written_in_the_same_iteration() -> None:
    assert written(lambda transport: transport.write(HEAD)) == ([], [HEAD])


def test_an_interim_response_is_written_at_once() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert written(lambda transport: transport.write(interim))[0] == [interim]


def test_a_head_is_written_before_the_connection_is_closed() -> None:
    def respond(transport: OneWrite) -> None:
        transport.write(HEAD)
        transport.close()

    assert written(respond)[1] == [HEAD, b"closed"]
