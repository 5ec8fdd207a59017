"""When a session ends."""

from datetime import timedelta

from starlette.requests import Request

from console.web.sessions import Sessions
from tests.booking_samples import HandClock

IDLE, LONGEST = timedelta(minutes=30), timedelta(hours=10)


def begun() -> tuple[Sessions, HandClock, Request]:
    clock = HandClock()
    sessions = Sessions(idle=IDLE, longest=LONGEST, clock=clock)
    request = Request({"type": "http", "session": {"csrf": "of before"}, "headers": []})
    sessions.begin(request, "vera", ["viewer"])
    return sessions, clock, request


def test_nothing_of_before_the_login_is_kept() -> None:
    _, _, request = begun()
    assert "csrf" not in request.session


def test_a_session_ends_when_no_page_is_asked_for() -> None:
    sessions, clock, request = begun()
    clock.now += IDLE
    assert sessions.live(request)
    clock.now += timedelta(seconds=1)
    assert sessions.live(request) is None


def test_a_session_goes_on_while_pages_are_asked_for_and_ends_all_the_same() -> None:
    sessions, clock, request = begun()
    for _ in range(40):
        clock.now += timedelta(minutes=15)
        assert sessions.live(request)
        sessions.keep_alive(request)
    clock.now += timedelta(minutes=1)
    assert sessions.live(request) is None
