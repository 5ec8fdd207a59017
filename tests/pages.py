"""A client of the operator's pages, in this process and without a network."""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from console.web.app import build_app
from console.web.settings import PagesSettings
from console.web.site import Site, open_site
from shared.relay import open_broker
from shared.store.migrate import migrate

HERE = ("127.0.0.1", 40_000)
_FORM = "/sources/activate"
_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


def settings_in(folder: Path, **values: Any) -> PagesSettings:
    """Embedded queues and database in `folder`, which are set up."""
    settings = PagesSettings(
        broker_url=f"sqlite:///{folder}/queues.sqlite3",
        database_url=f"sqlite:///{folder}/budkavle.sqlite3",
        **values,
    )
    migrate(settings.database_url.get_secret_value())
    with closing(open_broker(settings.broker_url.get_secret_value())) as broker:
        broker.declare()
    return settings


class Browser:
    """Asks for pages, follows redirects, keeps cookies, and sends the token of forms."""

    def __init__(
        self,
        site: Site,
        *,
        language: str = "en",
        peer: tuple[str, int] = HERE,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.site = site
        self.client = TestClient(
            build_app(site),
            base_url="http://localhost",
            client=peer,
            headers={"Accept-Language": language, **(headers or {})},
        )

    def get(self, address: str) -> Any:
        return self.client.get(address)

    def post(
        self, address: str, fields: Mapping[str, Any], *, page: str = "/sources/activate"
    ) -> Any:
        """Send a form with the token that the forms on `page` carry."""
        return self.client.post(address, data={"csrf": self.token(page), **fields})

    def token(self, page: str) -> str:
        found = _TOKEN.search(self.get(page).text)
        assert found, f"no form on {page}"
        return found[1]


@contextmanager
def browsing(folder: Path, *, language: str = "en", **values: Any) -> Iterator[Browser]:
    """A browser on this machine, where nobody logs in."""
    with closing(open_site(settings_in(folder, **values))) as site:
        yield Browser(site, language=language)
