"""HTTP requests and responses of the SOAP endpoint, by ASGI itself.

Starlette's routes, requests and responses take a third of the CPU time of a notification.
"""

from starlette.types import Receive, Scope, Send

from ingest.callers import Peer
from ingest.soap_replies import SoapReply

_MEDIA_TYPE = (b"content-type", b"text/xml; charset=utf-8")


class SenderGone(Exception):
    """The sender went away before its request was whole."""


class HttpRequest:
    """What the endpoint reads of a request. Names of headers are in lower case."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._first: dict[bytes, bytes] = dict(reversed(self._headers))
        #: As `ingest.server` recorded it when the connection was made.
        self.peer: Peer = scope.get("state", {}).get("peer", Peer())

    def header(self, name: bytes) -> str:
        """The header's first value, "" without one."""
        return self._first.get(name, b"").decode("latin-1")

    def values(self, name: bytes) -> list[str]:
        """All values of the header, in their order."""
        return [value.decode("latin-1") for key, value in self._headers if key == name]

    async def chunk(self) -> tuple[bytes, bool]:
        """The next bytes of the body, and whether more follow. Raises `SenderGone`."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise SenderGone
        return message.get("body", b""), message.get("more_body", False)


async def respond(send: Send, reply: SoapReply) -> None:
    length = (b"content-length", b"%d" % len(reply.body))
    more = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
    headers = [length, _MEDIA_TYPE, *more]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
