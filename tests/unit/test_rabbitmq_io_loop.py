"""The I/O loop rests between looks, and what one pass writes leaves in one piece."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from pika.adapters.utils.nbio_interface import AbstractStreamProtocol, AbstractStreamTransport

from shared.relay.rabbitmq.io_loop import GatheringServices, PacedLoop


class Course:
    """What a loop did, in order; it ends at its first rest, or when nothing is left to be done."""

    def __init__(self, pace: float = 60) -> None:
        self.done: list[str] = []
        self.now = 0.0
        self.loop = PacedLoop(pace, monotonic=lambda: self.now, sleep=self._rest)
        self.loop.call_later(10, self.loop.stop)  # never reached unless a test fails

    def _rest(self, seconds: float) -> None:
        self.done.append(f"rest {seconds:g}")
        self.loop.stop()

    def does(self, name: str, *, takes: float = 0) -> Callable[[], None]:
        def work() -> None:
            self.done.append(name)
            self.now += takes

        return work

    def run(self) -> list[str]:
        self.loop.start()
        return self.done


def test_what_comes_after_a_quiet_moment_is_handled_before_the_rest() -> None:
    course = Course()
    course.loop.add_callback_threadsafe(course.does("a"))
    course.loop.add_callback_threadsafe(course.does("b"))
    assert course.run() == ["a", "b", "rest 60"]


def test_the_time_that_work_takes_is_part_of_the_rest() -> None:
    course = Course()
    course.loop.add_callback_threadsafe(course.does("a", takes=20))
    assert course.run() == ["a", "rest 40"]


def test_after_long_work_there_is_no_rest() -> None:
    course = Course()
    course.loop.add_callback_threadsafe(course.does("a", takes=61))
    course.loop.call_later(0.01, course.does("b"))
    assert course.run() == ["a", "b", "rest 60"]


def test_what_is_to_be_sent_does_not_rest() -> None:
    course = Course()
    course.loop.add_callback_threadsafe(lambda: course.loop.flush_after(course.does("flush")))
    course.loop.add_callback_threadsafe(lambda: course.loop.at_end_of_pass(course.does("end")))
    course.loop.call_later(0.01, course.does("next pass"))
    assert course.run() == ["end", "flush", "next pass", "rest 60"]


@pytest.mark.parametrize(
    ("came", "does"), [(44, ["rest 60"]), (46, ["rest 150"]), (99, ["rest 150"]), (201, [])]
)
def test_it_rests_longer_when_many_messages_come_and_not_at_all_when_very_many_do(
    came: int, does: list[str]
) -> None:
    course = Course()

    def messages_come() -> None:
        course.now += 0.2
        for _ in range(came):
            course.loop.message_came()

    course.loop.add_callback_threadsafe(messages_come)
    course.loop.call_later(0.01, course.loop.stop)
    assert [f"{each[:5]}{float(each[5:]) + 0.2:g}" for each in course.run()] == does


def test_a_hundred_messages_at_one_look_lay_in_the_queue_and_are_worked_off_without_rests() -> None:
    """However few a second they are: it is the rests that make them few."""
    course = Course()

    def messages_come() -> None:
        course.now += 10
        for _ in range(100):
            course.loop.message_came()

    course.loop.add_callback_threadsafe(messages_come)
    course.loop.call_later(0.01, course.loop.stop)
    assert course.run() == []


def test_a_loop_that_is_stopped_does_not_rest() -> None:
    course = Course()
    course.loop.add_callback_threadsafe(course.loop.stop)
    assert course.run() == []


class Protocol(AbstractStreamProtocol):
    transport: AbstractStreamTransport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, error: object) -> None: ...
    def eof_received(self) -> None: ...
    def data_received(self, data: bytes) -> None: ...


def test_what_is_written_in_one_pass_leaves_in_one_piece() -> None:
    loop, protocol = PacedLoop(), Protocol()
    ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)  # which keeps pieces apart
    ours.setblocking(False)
    sizes: list[int] = []

    def on_made(_made: object) -> None:
        for piece in (b"method", b"header", b"body"):
            protocol.transport.write(piece)
        sizes.append(protocol.transport.get_write_buffer_size())
        loop.call_later(0.01, loop.stop)

    GatheringServices(loop).create_streaming_connection(lambda: protocol, ours, on_made)
    loop.start()
    with ours, theirs:
        assert (sizes, theirs.recv(100)) == ([16], b"methodheaderbody")
    assert protocol.transport.get_protocol() is protocol
