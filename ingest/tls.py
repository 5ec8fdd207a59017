"""TLS with required client certificates, whose files may be renewed while the process runs."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from shared.base.certificates import PemFiles, Renewal


def server_context(files: PemFiles) -> ssl.SSLContext:
    """TLS 1.2 or later; clients need a certificate of one of the issuers. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    files.load_into(context)
    return context


def subject_serial_number(certificate: Mapping[str, Any] | None) -> str:
    """The `serialNumber` of the subject, where SITHS writes the HSA-id; "" when there is none.

    `certificate` is what `ssl.SSLSocket.getpeercert` returns.
    """
    subject = (certificate or {}).get("subject", ())
    attributes = (attribute for names in subject for attribute in names)
    return next((value for name, value in attributes if name == "serialNumber"), "")


class LiveTls:
    """A context that reloads its certificates: new connections use them, open ones go on.

    An issuer that is removed from its file is trusted until the process restarts, since a context
    forgets none. To exclude a caller, use the list of allowed callers. Raises OSError.
    """

    def __init__(self, files: PemFiles) -> None:
        self._files = files
        self._renewal = Renewal(files, self._take_up)
        self.context = server_context(files)

    @asynccontextmanager
    async def kept_fresh(self, every: float) -> AsyncIterator[None]:
        """Within the block, check the files every `every` seconds."""
        watch = asyncio.create_task(self._watch(every))
        try:
            yield
        finally:
            watch.cancel()

    async def _watch(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            self.reload_if_changed()

    def reload_if_changed(self) -> None:
        self._renewal.look()

    def _take_up(self) -> None:
        server_context(
            self._files
        )  # tried on a new context first: a failed load would damage the one in use
        self._files.load_into(self.context)
