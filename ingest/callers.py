"""Who may call: HSA-ids from client certificates, or from a header that a trusted proxy sets."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from shared.booking.identity import hsa_key


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of the connection."""

    address: str = ""
    hsa_id: str = ""  # of its client certificate; "" without TLS


class CallerPolicy:
    """Identifies the caller of a request, and decides whether it may call."""

    def __init__(
        self, *, allowed: Iterable[str] = (), proxies: Iterable[str] = (), header: str = ""
    ) -> None:
        self._allowed = frozenset(map(hsa_key, allowed))
        self._proxies = frozenset(proxies)
        self._header = header.lower().encode()

    def caller_of(self, peer: Peer, values: Callable[[bytes], Sequence[str]]) -> str:
        """The caller's HSA-id, "" when there is none that can be trusted.

        `values` gives all values of a header by its name in lower case.
        For a proxy, only the header counts, and only if it occurs once: a second one was added on
        the way. From all others the header is ignored.
        """
        if peer.address not in self._proxies:
            return peer.hsa_id
        named = values(self._header)
        return named[0].strip() if len(named) == 1 else ""

    def admits(self, caller: str) -> bool:
        return not self._allowed or hsa_key(caller) in self._allowed
