"""What a test does with a server, whichever it is."""

import atexit
from typing import Self

from tests.services.hosts import Host, start_when_ready


class Server:
    """`start`, `stop`, `kill` and `restart` keep its port and its data."""

    def __init__(self, host: Host) -> None:
        self._host = host
        atexit.register(self.close)

    @property
    def port(self) -> int:
        return self._host.port

    def start(self) -> None:
        """Return when clients are served. Does nothing when it runs."""
        start_when_ready(self._host, self._answers)

    def stop(self) -> None:
        """As an operator's restart: clients are cut off at once."""
        self._host.stop()

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        self._host.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """It keeps its connections and answers nobody."""
        self._host.pause()

    def resume(self) -> None:
        self._host.resume()

    def close(self) -> None:
        """Stop it and remove its data."""
        atexit.unregister(self.close)
        self._host.close()

    def _answers(self) -> bool:
        """Whether a client would be served."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
