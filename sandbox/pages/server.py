"""Serves the pages beside the sandbox's own servers, on a thread and a loop of its own."""

import asyncio
from collections.abc import Callable

from sandbox.pages.app import build_app
from sandbox.pages.clients import InboxClient, WorldClient
from sandbox.pages.shelf import Shelf
from shared.base.addresses import split_bind
from shared.stage.side_port import SidePort

_MAX_CONNECTIONS = 100


class PagesServer:
    """Serves the pages on `bind`. `control_url` is asked for at the start: it is known then."""

    def __init__(self, bind: str, *, inbox_url: str, control_url: Callable[[], str]) -> None:
        self._bind = split_bind(bind)
        self._inbox_url = inbox_url
        self._control_url = control_url
        self._port: SidePort | None = None

    @property
    def url(self) -> str:
        return self._port.url if self._port else ""

    async def start(self) -> None:
        shelf = Shelf(InboxClient(self._inbox_url), WorldClient(self._control_url()))
        app = build_app(shelf)
        self._port = SidePort("pages", self._bind, app, max_connections=_MAX_CONNECTIONS)
        self._port.start()

    async def stop(self) -> None:
        if self._port:
            await asyncio.to_thread(self._port.stop)
