"""Bearer tokens: signed JSON Web Tokens of one issuer, for our audience (RFC 7519, RFC 9068)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import Key

from console.inbox_api.issuer_keys import UnknownKey
from shared.base.clock import Clock

#: Signatures by a private key alone: who can check a token cannot make one.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")


class TokenRefused(ValueError):
    """The token is not taken. The text says why, and repeats nothing of it."""


class Keys(Protocol):
    """Where keys come from: `IssuerKeys`."""

    def find(self, key_id: str | None) -> Key:
        """Raises `UnknownKey` or `IssuerUnavailable`."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token that is taken says."""

    said: Mapping[str, Any]

    @property
    def subject(self) -> str:
        return str(self.said["sub"])

    @property
    def scopes(self) -> Collection[str]:
        """`scope` as RFC 8693 has it, one text of words; also as a list, and as `scp`."""
        scope = self.said.get("scope", self.said.get("scp", ""))
        return scope.split() if isinstance(scope, str) else [str(one) for one in scope or ()]


class TokenReader:
    """Reads tokens of `issuer` for `audience`; clocks may differ by `skew` seconds."""

    def __init__(self, issuer: str, audience: str, keys: Keys, *, skew: int, clock: Clock) -> None:
        self._keys = keys
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(clock().timestamp()),
            leeway=skew,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    def read(self, token: str) -> Claims:
        """Raises `TokenRefused`, or `IssuerUnavailable` when its key cannot be had."""
        try:
            claims = jwt.decode(token, self._key_of, _ALGORITHMS).claims
            self._claims.validate(claims)
        except (JoseError, ValueError) as error:
            raise TokenRefused(_reason(error)) from None
        return Claims(claims)

    def _key_of(self, token: Any) -> Key:
        key_id = token.headers().get("kid")
        return self._keys.find(key_id if isinstance(key_id, str) else None)


def _reason(error: Exception) -> str:
    match error:
        case ExpiredTokenError():
            return "the token has expired"
        case MissingClaimError() | InvalidClaimError():
            return f"the token's {error.claim} is missing, or not the one that is needed"
        case UnknownKey():
            return "the issuer has no such key"
        case _:
            return "no token of this issuer"
