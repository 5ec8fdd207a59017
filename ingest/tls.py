"""TLS with required client certificates, and certificates that can be changed while running."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: our certificate with its chain, its key, and the issuers of our clients."""

    certificate: Path
    key: Path
    client_ca: Path

    def load_into(self, context: ssl.SSLContext) -> None:
        """Raises OSError (ssl.SSLError is one) when they cannot be read or do not fit together."""
        context.load_cert_chain(self.certificate, self.key)
        context.load_verify_locations(self.client_ca)

    def state(self) -> tuple[tuple[int, int], ...]:
        """Changes whenever one of the files does. Raises OSError."""
        stats = (path.stat() for path in (self.certificate, self.key, self.client_ca))
        return tuple((stat.st_mtime_ns, stat.st_ino) for stat in stats)


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.2 or later; nobody without a certificate of one of the issuers. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    files.load_into(context)
    return context


def subject_serial_number(certificate: Mapping[str, Any] | None) -> str:
    """The `serialNumber` of the subject, where SITHS writes the HSA-id; "" when there is none.

    `certificate` is as `ssl.SSLSocket.getpeercert` tells it.
    """
    subject = (certificate or {}).get("subject", ())
    attributes = (attribute for names in subject for attribute in names)
    return next((value for name, value in attributes if name == "serialNumber"), "")


class LiveTls:
    """A context whose certificates follow their files: new connections see them, old ones go on.

    An issuer that is taken out of its file is trusted until the process starts anew: a context
    forgets none. The allow-list of callers is the means to shut somebody out. Raises OSError.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._loaded = files.state()
        self.context = server_context(files)

    @asynccontextmanager
    async def kept_fresh(self, every: float) -> AsyncIterator[None]:
        """While inside, look at the files every `every` seconds."""
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
        """Files that do not fit together, as while they are being replaced, change nothing."""
        try:
            state = self._files.state()
            if state == self._loaded:
                return
            server_context(self._files)  # a rehearsal: a failed load would spoil the living one
            self._files.load_into(self.context)
        except OSError as error:
            log.warning("certificate_reload_failed", error=type(error).__name__)
            return
        self._loaded = state
        log.info("certificates_reloaded")
