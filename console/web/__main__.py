"""Run the operator's pages as a process: `python -m console.web`."""

import asyncio
import socket
import sys
from collections.abc import Callable
from functools import partial

import structlog
import uvicorn

from console.web.app import build_app
from console.web.settings import PagesSettings
from console.web.site import Site, open_site
from shared.base.addresses import split_bind
from shared.base.settings import blaming
from shared.stage.process import announce_ready, start
from shared.stage.side_port import BoundedProtocol
from shared.store.migrate import ensure_sqlite

log = structlog.get_logger()

_READ_SECONDS = 10
_MAX_CONNECTIONS = 200


def run(settings: PagesSettings) -> int:
    """Serve until SIGTERM."""
    ensure_sqlite(settings.database_url.get_secret_value())
    site = open_site(settings)
    with blaming("BUDKAVLE_CONSOLE_BIND"):
        listener = _listen(settings.console_bind)
    url = _address_of(listener)
    if not (settings.uses_oidc or settings.uses_proxy):
        log.warning("console_knows_nobody", url=url, served="on loopback alone")
    site.sampler.start()
    server = uvicorn.Server(_config(site))
    announce_ready("console", url=settings.console_url or url, **settings.places)
    server.run(sockets=[listener])
    site.close()
    log.info("stopped")
    return 0


def _listen(bind: str) -> socket.socket:
    host, port = split_bind(bind)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def _address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _config(site: Site) -> uvicorn.Config:
    protocol: Callable[..., asyncio.Protocol] = partial(
        BoundedProtocol, read_seconds=_READ_SECONDS, max_connections=_MAX_CONNECTIONS
    )
    return uvicorn.Config(
        build_app(site),
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # addresses may name what somebody looked for
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    sys.exit(start("console", PagesSettings, run))
