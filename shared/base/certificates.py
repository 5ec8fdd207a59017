"""Certificate files that may be renewed while a process runs."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import structlog

log = structlog.get_logger()

#: Device, inode and modification time of each file.
Stamp = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PemFiles:
    """PEM files: the trusted authorities, our certificate, and its key.

    Without `key`, the key is in the file of the certificate.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def stamp(self) -> Stamp:
        """Differs whenever one of the files was changed or replaced. Raises OSError."""
        stats = (path.stat() for path in (self.ca, self.certificate, self.key) if path)
        return tuple((stat.st_mtime_ns, stat.st_ino) for stat in stats)

    def load_into(self, context: ssl.SSLContext) -> None:
        """Raises OSError (`ssl.SSLError` is one) for files that cannot be read or do not match."""
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        if self.ca:
            context.load_verify_locations(self.ca)


class Renewal:
    """Calls `take_up` when one of `files` has changed since it was last taken up. Thread-safe.

    Files that `take_up` refuses with OSError, as when only one of two is written yet, are tried
    again at the next check. Raises OSError when the files are not there at the start.
    """

    def __init__(self, files: PemFiles, take_up: Callable[[], None]) -> None:
        self._files = files
        self._take_up = take_up
        self._guard = Lock()
        self._stamp = files.stamp()

    def look(self) -> None:
        with self._guard:
            try:
                stamp = self._files.stamp()
                if stamp == self._stamp:
                    return
                self._take_up()
            except OSError as error:
                log.warning("certificates_unusable", error=type(error).__name__)
                return
            self._stamp = stamp
            log.info("certificates_renewed")
