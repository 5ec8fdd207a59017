"""The sandbox's pages inside a test: on the read API itself, and a sandbox that really runs."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
from starlette.testclient import TestClient

from sandbox.pages.app import build_app
from sandbox.pages.clients import InboxClient, WorldClient
from sandbox.pages.shelf import Shelf
from tests.inbox_api import client_of

_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


class Visitor:
    """Asks for pages, keeps cookies, and sends the token of forms."""

    opened: ClassVar[list["Visitor"]] = []

    def __init__(self, reader: Any, control_url: str = "http://127.0.0.1:9") -> None:
        api: Any = client_of(reader).app
        inbox = InboxClient("http://127.0.0.1", httpx.ASGITransport(app=api))
        self.shelf = Shelf(inbox, WorldClient(control_url))
        self.client = TestClient(build_app(self.shelf), "http://127.0.0.1")
        self.client.__enter__()
        self.opened.append(self)

    @classmethod
    def close_all(cls) -> None:
        while cls.opened:
            cls.opened.pop().client.__exit__()

    def get(self, path: str) -> Any:
        return self.client.get(path)

    def post(self, path: str, fields: Mapping[str, str], page: str) -> Any:
        token = _TOKEN.search(self.get(page).text)
        assert token, f"no form on {page}"
        return self.client.post(path, data={"csrf": token[1], **fields})

    def log_in(self, number: str) -> Any:
        resident = self.shelf.people.with_number(number).id
        return self.post("/inkorg/vem", {"resident": resident}, "/inkorg/vem")
