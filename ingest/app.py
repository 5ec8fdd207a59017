"""The pages of the gateway: the endpoint, its contracts, and health.

`/metrics` is served on the health address only, which needs no client certificate and is not open
to strangers. `/healthz` and `/readyz` are served on both, because a load balancer sees only this
port.
"""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest.contract import wsdl, xsd
from ingest.endpoint import SoapEndpoint
from shared.stage.health import Checks, readiness

CONTRACTS = ("ProcessNotification", "PingForConfiguration")
_CALLS = frozenset(f"/{name}" for name in CONTRACTS)


class Gateway:
    """The application: calls go to `endpoint` at once, all other requests to `pages`."""

    def __init__(self, endpoint: SoapEndpoint, pages: ASGIApp) -> None:
        self._endpoint = endpoint
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in _CALLS:
            await self._endpoint.post(scope, receive, send)
        else:
            await self._pages(scope, receive, send)


def build_app(endpoint: SoapEndpoint, checks: Checks) -> ASGIApp:
    async def readyz(_request: Request) -> Response:
        ready, answers = await asyncio.to_thread(readiness, checks)
        return JSONResponse(answers, 200 if ready else 503)

    contracts = [Route(f"/{name}", _contract, methods=["GET"]) for name in CONTRACTS]
    health = [Route("/healthz", _healthz), Route("/readyz", readyz)]
    return Gateway(endpoint, Starlette(routes=[*contracts, *health]))


async def _contract(request: Request) -> Response:
    address = str(request.url.replace(query=""))
    query = {name.lower(): value for name, value in request.query_params.items()}
    if "wsdl" in query:
        return _xml(wsdl(request.url.path.strip("/"), address))
    if "xsd" not in query:
        text = "SOAP 1.1 is POSTed here; ?wsdl serves the contract.\n"
        return PlainTextResponse(text, 405, {"Allow": "POST"})
    try:
        return _xml(xsd(query["xsd"], address))
    except KeyError:
        return PlainTextResponse("There is no such schema.\n", 404)


async def _healthz(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


def _xml(document: bytes) -> Response:
    return Response(document, media_type="text/xml; charset=utf-8")
