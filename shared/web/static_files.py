"""The files that pages load: read once, compressed once, named by their content.

The address of a file holds a digest of it, so a browser may keep it for good.
"""

import gzip
import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
_OURS = Path(__file__).parent / "static"


class StaticFiles:
    """The files in our own folder and in `folders`, served below `/static/`."""

    def __init__(self, *folders: Path) -> None:
        paths = [path for folder in (_OURS, *folders) for path in folder.iterdir()]
        self._bodies = {path.name: path.read_bytes() for path in paths if path.suffix in _TYPES}
        self._compressed = {name: gzip.compress(body) for name, body in self._bodies.items()}

    def url(self, name: str) -> str:
        """The address of a file. Raises `KeyError` for one there is not."""
        return f"/static/{hashlib.sha256(self._bodies[name]).hexdigest()[:10]}/{name}"

    @property
    def route(self) -> Route:
        return Route("/static/{digest}/{name}", self._serve, methods=["GET"])

    async def _serve(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._bodies:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        kind = _TYPES[Path(name).suffix]
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers = {**_FOR_GOOD, "Content-Encoding": "gzip"}
            return Response(self._compressed[name], 200, headers, kind)
        return Response(self._bodies[name], 200, _FOR_GOOD, kind)
