"""Sessions: what the signed cookie holds, when it ends, and the token of its forms.

Starlette signs the cookie. It holds who logged in, when, and when they last asked for a page. A
cookie cannot be taken back, so sessions that a logout ended are remembered until their time is
over.
"""

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request

from shared.base.clock import Clock, utcnow

#: `seen` is written again only when it is so old.
_FRESH = timedelta(seconds=20)


class Sessions:
    """Those of one process. A session ends `idle` after the last page, and `longest` after the
    login.
    """

    def __init__(self, *, idle: timedelta, longest: timedelta, clock: Clock = utcnow) -> None:
        self._idle = idle
        self._longest = longest
        self._clock = clock
        self._ended: dict[str, datetime] = {}

    def begin(self, request: Request, name: str, roles: Iterable[str]) -> None:
        """After a login: nothing of what was before it is kept."""
        now = self._clock().timestamp()
        request.session.clear()
        request.session.update(
            id=secrets.token_urlsafe(16), name=name, roles=[*roles], since=now, seen=now
        )

    def end(self, request: Request) -> None:
        now = self._clock()
        self._ended = {name: until for name, until in self._ended.items() if until > now}
        if name := request.session.get("id"):
            self._ended[name] = now + self._longest
        request.session.clear()

    def live(self, request: Request) -> Mapping[str, Any] | None:
        """The session of somebody who logged in; None when there is none, or it has ended."""
        session = request.session
        if "id" not in session or session["id"] in self._ended:
            return None
        if self._age(session["seen"]) > self._idle or self._age(session["since"]) > self._longest:
            return None
        return session

    def keep_alive(self, request: Request) -> None:
        """A person asked for a page: the time of being idle begins anew."""
        if "seen" in request.session and self._age(request.session["seen"]) > _FRESH:
            request.session["seen"] = self._clock().timestamp()

    def _age(self, moment: float) -> timedelta:
        return timedelta(seconds=self._clock().timestamp() - moment)
