"""Who may call: HSA-ids from client certificates, or from a header that a trusted proxy sets."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers

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
        self._header = header

    def caller_of(self, peer: Peer, headers: Headers) -> str:
        """The caller's HSA-id, "" when there is none that can be trusted.

        For a proxy, only the header counts, and only if it occurs once: a second one was added on
        the way. From all others the header is ignored.
        """
        if peer.address not in self._proxies:
            return peer.hsa_id
        named = headers.getlist(self._header)
        return named[0].strip() if len(named) == 1 else ""

    def admits(self, caller: str) -> bool:
        return not self._allowed or hsa_key(caller) in self._allowed
