"""Who calls, and which patient's inbox is theirs to read."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from console.inbox_api.issuer_keys import IssuerUnavailable
from console.inbox_api.problems import Problem
from console.inbox_api.tokens import Claims, TokenReader, TokenRefused
from shared.base.addresses import is_loopback
from shared.base.ids import is_person_number

#: Names the patient. A header, since paths and queries end up in logs.
PATIENT_HEADER = "Budkavle-Patient"
_PATIENT = f"header {PATIENT_HEADER}"
_TOKEN = "header Authorization"  # noqa: S105 - the name of an element


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls (`name`, for rate limits alone), and about whom."""

    patient: str
    name: str
    is_service: bool


class Access(Protocol):
    """Decides by the headers of a request."""

    def caller_of(self, headers: Headers) -> Caller:
        """Raises `Problem`."""


class LoopbackAccess:
    """Without an issuer: every caller is believed, and names the patient."""

    def caller_of(self, headers: Headers) -> Caller:
        """A page of another host that a browser was led to ask us for is refused by its Host."""
        if not is_loopback(_host_of(headers)):
            detail = "without an issuer only a loopback address is served"
            raise Problem(HTTPStatus.FORBIDDEN, detail, "header Host")
        return Caller(_required_patient(headers), "loopback", is_service=True)


class TokenAccess:
    """By bearer tokens: a patient's own, or a service's with the scope for that."""

    def __init__(
        self, tokens: TokenReader, *, patient_claim: str, patient_scope: str, service_scope: str
    ) -> None:
        self._tokens = tokens
        self._patient_claim = patient_claim
        self._patient_scope = patient_scope
        self._service_scope = service_scope

    def caller_of(self, headers: Headers) -> Caller:
        claims = self._read(headers)
        if self._service_scope in claims.scopes:
            return Caller(_required_patient(headers), claims.subject, is_service=True)
        if self._patient_scope and self._patient_scope not in claims.scopes:
            raise _forbidden("insufficient_scope", "the token has not the scope that is needed")
        return Caller(self._patient_of(claims, headers), claims.subject, is_service=False)

    def _read(self, headers: Headers) -> Claims:
        try:
            return self._tokens.read(_bearer_token(headers))
        except TokenRefused as refused:
            raise _unauthorized(str(refused), "invalid_token") from None
        except IssuerUnavailable:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "the issuer's keys cannot be had", Retry_After="10"
            ) from None

    def _patient_of(self, claims: Claims, headers: Headers) -> str:
        """The patient of the token. A header may say the same, and nothing else."""
        patient = claims.said.get(self._patient_claim)
        if not isinstance(patient, str) or not is_person_number(patient):
            detail = f"the token's {self._patient_claim} is no person number of 12 characters"
            raise _forbidden("invalid_token", detail)
        named = _named_patient(headers)
        if named and named.upper() != patient.upper():
            detail = "it names another patient than the token does"
            raise Problem(HTTPStatus.FORBIDDEN, detail, _PATIENT)
        return patient


def _host_of(headers: Headers) -> str:
    try:
        return urlsplit(f"//{headers.get('Host', '')}").hostname or ""
    except ValueError:
        return ""


def _bearer_token(headers: Headers) -> str:
    given = headers.getlist("Authorization")
    if not given:
        raise _unauthorized("a bearer token is needed")
    scheme, _, token = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise _unauthorized("is not one bearer token", "invalid_request")
    return token.strip()


def _named_patient(headers: Headers) -> str:
    """The header's value; "" without the header. It may stand once: a second one was added on
    the way."""
    given = headers.getlist(PATIENT_HEADER)
    if len(given) > 1:
        raise Problem(HTTPStatus.BAD_REQUEST, "stands more than once", _PATIENT)
    if given and not is_person_number(given[0]):
        raise Problem(HTTPStatus.BAD_REQUEST, "is no person number of 12 characters", _PATIENT)
    return given[0] if given else ""


def _required_patient(headers: Headers) -> str:
    named = _named_patient(headers)
    if not named:
        raise Problem(HTTPStatus.BAD_REQUEST, "is missing: it names the patient", _PATIENT)
    return named


def _unauthorized(detail: str, error: str = "") -> Problem:
    """As RFC 6750 wants it: no error code when no token was given."""
    challenge = f'Bearer error="{error}"' if error else "Bearer"
    return Problem(HTTPStatus.UNAUTHORIZED, detail, _TOKEN, WWW_Authenticate=challenge)


def _forbidden(error: str, detail: str) -> Problem:
    challenge = f'Bearer error="{error}"'
    return Problem(HTTPStatus.FORBIDDEN, detail, _TOKEN, WWW_Authenticate=challenge)
