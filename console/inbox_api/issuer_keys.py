"""The keys by which an OpenID Connect issuer signs, fetched when they are needed."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

log = structlog.get_logger()

#: After how many seconds the keys are fetched again, and how soon when one is unknown.
_FRESH = 900.0
_ASK_AGAIN = 10.0
#: For how long keys are used while the issuer does not answer.
_USABLE = 86_400.0
_ANSWER_SECONDS = 5.0
_MOST_BYTES = 256 * 1024

Fetch = Callable[[str], Any]


class IssuerUnavailable(Exception):
    """The issuer's keys cannot be fetched, and none are held."""


class UnknownKey(ValueError):
    """The issuer has no such key."""


def fetch_json(url: str) -> Any:
    """The JSON at `url`. Raises `httpx.HTTPError`, or ValueError for what is none or too large."""
    body = b""
    with httpx.stream("GET", url, timeout=_ANSWER_SECONDS) as answer:
        answer.raise_for_status()
        for piece in answer.iter_bytes():
            body += piece
            if len(body) > _MOST_BYTES:
                raise ValueError("is too large")
    return httpx.Response(200, content=body).json()


class IssuerKeys:
    """The keys of `issuer`, at `jwks_url` or, if it is empty, where discovery says. Thread-safe."""

    def __init__(
        self,
        issuer: str,
        jwks_url: str = "",
        *,
        fetch: Fetch = fetch_json,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._fetch = fetch
        self._monotonic = monotonic
        self._lock = Lock()
        self._keys = KeySet([])
        self._fetched_at = self._asked_at = float("-inf")

    def find(self, key_id: str | None) -> Key:
        """The key of that id; without an id the only key. Raises `UnknownKey`, or
        `IssuerUnavailable`.

        Nobody waits for the issuer while a usable key is held, but the one who asks it.
        """
        if self._known(key_id) is None:
            with self._lock:
                self._ask(_ASK_AGAIN)
        elif self._lock.acquire(blocking=False):
            try:
                self._ask(_FRESH)
            finally:
                self._lock.release()
        found = self._known(key_id)
        if found is None:
            raise UnknownKey if self._usable else IssuerUnavailable
        return found

    @property
    def _usable(self) -> bool:
        return self._monotonic() - self._fetched_at < _USABLE

    def _known(self, key_id: str | None) -> Key | None:
        try:
            return self._keys.get_by_kid(key_id) if self._usable else None
        except JoseError:
            return None

    def _ask(self, every: float) -> None:
        """Fetch the keys, unless the issuer was asked less than `every` seconds ago."""
        now = self._monotonic()
        if now - self._asked_at < every:
            return
        self._asked_at = now
        try:
            self._keys = KeySet.import_key_set(self._fetch(self._jwks_url or self._discovered()))
            self._fetched_at = now
        except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            log.warning("issuer_keys_unavailable", error=type(error).__name__)

    def _discovered(self) -> str:
        """Where the issuer says its keys are (OpenID Connect Discovery 1.0, section 4)."""
        about = self._fetch(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if about["issuer"] != self._issuer:
            raise ValueError("it is another issuer's")
        return str(about["jwks_uri"])
