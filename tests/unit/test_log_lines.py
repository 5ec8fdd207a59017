"""Log lines are collected, kept whole, and never in anybody's way."""

import io

import pytest

from shared.base.lines import LineWriter
from tests.polling import eventually


class Pieces(io.StringIO):
    """A stream that remembers in which pieces it was written."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return super().write(text)


@pytest.fixture
def stream() -> Pieces:
    return Pieces()


@pytest.fixture
def writer(stream: Pieces) -> LineWriter:
    return LineWriter(stream)


def test_lines_come_after_a_moment_in_their_order(writer: LineWriter, stream: Pieces) -> None:
    writer.info("one")
    writer.debug("two")
    assert eventually(stream.getvalue) == "one\ntwo\n"
    writer.info("three")
    eventually(lambda: stream.getvalue() == "one\ntwo\nthree\n")


def test_a_warning_comes_at_once_and_behind_what_was_before(
    writer: LineWriter, stream: Pieces
) -> None:
    writer.info("before")
    writer.warning("beware")
    assert stream.getvalue() == "before\nbeware\n"
    writer.error("broken")
    writer.critical("lost")
    assert stream.getvalue() == "before\nbeware\nbroken\nlost\n"


def test_a_line_is_written_in_one_piece_with_its_end(writer: LineWriter, stream: Pieces) -> None:
    """Or another process's line could come between, also where output is not buffered."""
    long = "x" * 10_000
    for line in ("a" * 3000, "b" * 500, "c" * 3000, long, "d"):
        writer.info(line)
    writer.flush()
    assert "".join(stream.pieces) == stream.getvalue()
    assert [piece.count("\n") for piece in stream.pieces] == [2, 1, 1, 1]
    assert all(piece.endswith("\n") for piece in stream.pieces)
    assert f"{long}\n" in stream.pieces


class Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError("no space left on device")


def test_a_line_that_cannot_be_written_stops_nobody() -> None:
    full = Full()
    LineWriter(full).error("nobody will know")
    assert full.getvalue() == ""
    closed = io.StringIO()
    closed.close()
    LineWriter(closed).error("nor here")
