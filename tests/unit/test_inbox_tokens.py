"""Tokens that are not the issuer's, not for us, not now or of another kind are refused."""

import base64
import hmac
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from console.inbox_api.access import PATIENT_HEADER, TokenAccess
from console.inbox_api.issuer_keys import IssuerKeys, IssuerUnavailable, UnknownKey
from console.inbox_api.tokens import TokenReader, TokenRefused
from tests.inbox_api import (
    NOON,
    OTHER_PATIENT,
    PATIENT,
    ReaderInMemory,
    a_message,
    a_rate,
    check,
    client_of,
)

ISSUER = "https://idp.example"
AUDIENCE = "budkavle-inbox"
KEY = RSAKey.generate_key(2048, {"kid": "one"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "two"})
NOW = int(NOON.timestamp())


class Issuer:
    """Answers as discovery and JWKS do, and counts how often its keys are asked for."""

    def __init__(self, *keys: RSAKey) -> None:
        self.keys = keys or (KEY,)
        self.asked = 0
        self.away = False

    def fetch(self, url: str) -> Any:
        if self.away:
            raise ValueError("it does not answer")
        if url.endswith("/.well-known/openid-configuration"):
            return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        self.asked += 1
        return KeySet(list(self.keys)).as_dict(private=False)


class HandSeconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def claims(**values: Any) -> dict[str, Any]:
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": PATIENT, "exp": NOW + 60, "scope": "inbox"}
    return {name: value for name, value in {**usual, **values}.items() if value is not None}


def token(key: RSAKey = KEY, algorithm: str = "RS256", **values: Any) -> str:
    return jwt.encode({"alg": algorithm, "kid": key.kid}, claims(**values), key)


def reader(issuer: Issuer | None = None) -> TokenReader:
    keys = IssuerKeys(ISSUER, fetch=(issuer or Issuer()).fetch)
    return TokenReader(ISSUER, AUDIENCE, keys, skew=30, clock=lambda: NOON)


def encoded(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def unsigned(algorithm: str = "none") -> bytes:
    header = {"alg": algorithm, "kid": "one"}
    return b".".join(encoded(json.dumps(part).encode()) for part in (header, claims()))


def signed_with_the_public_key() -> str:
    """As if the key that everybody may have were a shared secret."""
    content = unsigned("HS256")
    signature = hmac.digest(KEY.as_pem(private=False), content, "sha256")
    return (content + b"." + encoded(signature)).decode()


def test_a_token_of_the_issuer_is_taken() -> None:
    assert reader().read(token()).subject == PATIENT
    assert reader().read(token(aud=["other", AUDIENCE])).scopes == ["inbox"]
    assert reader().read(token(scope=None, scp=["a", "b"])).scopes == ["a", "b"]
    assert reader().read(token(scope=None)).scopes == []


@pytest.mark.parametrize("seconds", [-29, 1])
def test_clocks_may_differ_a_little(seconds: int) -> None:
    assert reader().read(token(exp=NOW + seconds)).subject == PATIENT


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (token(exp=NOW - 31), "has expired"),
        (token(exp=None), "exp is missing"),
        (token(nbf=NOW + 31), "nbf"),
        (token(iss="https://other.example"), "iss"),
        (token(iss=f"{ISSUER}/"), "iss"),
        (token(aud="other"), "aud"),
        (token(aud=None), "aud"),
        (token(sub=None), "sub"),
        (token(OTHER_KEY), "no such key"),
        (f"{token()[:-8]}AAAAAAAA", "no token"),
        (f"{unsigned().decode()}.", "no token"),
        (signed_with_the_public_key(), "no token"),
        ("abc", "no token"),
        ("", "no token"),
        ("å.b.c", "no token"),
    ],
)
def test_any_other_is_refused(given: str, reason: str) -> None:
    with pytest.raises(TokenRefused, match=reason) as refused:
        reader().read(given)
    assert PATIENT not in str(refused.value)


def test_new_keys_are_fetched_when_they_are_seen_and_not_for_every_stranger() -> None:
    issuer, seconds = Issuer(), HandSeconds()
    keys = IssuerKeys(ISSUER, fetch=issuer.fetch, monotonic=seconds)
    assert keys.find("one").kid == "one"
    issuer.keys = (KEY, OTHER_KEY)
    for _ in range(5):
        with pytest.raises(UnknownKey):
            keys.find("two")
    assert issuer.asked == 1
    seconds.now += 11
    assert keys.find("two").kid == "two"


def test_a_key_that_was_taken_back_counts_for_a_quarter_of_an_hour_at_most() -> None:
    issuer, seconds = Issuer(KEY, OTHER_KEY), HandSeconds()
    keys = IssuerKeys(ISSUER, fetch=issuer.fetch, monotonic=seconds)
    keys.find("two")
    issuer.keys = (KEY,)
    seconds.now += 901
    with pytest.raises(UnknownKey):
        keys.find("two")


def test_an_issuer_that_is_away_is_done_without_for_a_day() -> None:
    issuer, seconds = Issuer(), HandSeconds()
    keys = IssuerKeys(ISSUER, fetch=issuer.fetch, monotonic=seconds)
    issuer.away = True
    with pytest.raises(IssuerUnavailable):
        keys.find("one")
    issuer.away, seconds.now = False, seconds.now + 11
    keys.find("one")
    issuer.away, seconds.now = True, seconds.now + 80_000
    assert keys.find("one").kid == "one"
    seconds.now += 10_000
    with pytest.raises(IssuerUnavailable):
        keys.find("one")


def test_the_discovery_of_another_issuer_is_not_believed() -> None:
    def fetch(url: str) -> Any:
        said = Issuer().fetch(url)
        return {**said, "issuer": "https://other.example"} if "issuer" in said else said

    with pytest.raises(IssuerUnavailable):
        IssuerKeys(ISSUER, fetch=fetch).find("one")


def access(issuer: Issuer | None = None, patient_claim: str = "sub") -> TokenAccess:
    return TokenAccess(
        reader(issuer),
        patient_claim=patient_claim,
        patient_scope="inbox",
        service_scope="inbox.service",
    )


def list_with(
    given: str, patient: str | None = None, scheme: str = "Bearer", **other: Any
) -> tuple[int, str]:
    """Status, and the element at fault."""
    headers = {"Authorization": f"{scheme} {given}"}
    headers |= {PATIENT_HEADER: patient} if patient else {}
    client = client_of(ReaderInMemory([a_message()]), access(**other))
    answer = client.get("/v1/messages", headers=headers)
    check(answer, "listMessages")
    assert PATIENT not in answer.headers.get("WWW-Authenticate", "")
    found = answer.json()
    return answer.status_code, found.get("element", f"{len(found.get('messages', ()))} messages")


def test_a_patient_reads_the_own_inbox_alone() -> None:
    assert list_with(token()) == (200, "1 messages")
    assert list_with(token(), PATIENT) == (200, "1 messages")
    assert list_with(token(), OTHER_PATIENT) == (403, "header Budkavle-Patient")
    assert list_with(token(sub=OTHER_PATIENT)) == (200, "0 messages")
    assert list_with(token(sub="tolvan")) == (403, "header Authorization")
    assert list_with(token(scope="profile")) == (403, "header Authorization")
    assert list_with(token(), scheme="Basic") == (401, "header Authorization")
    assert list_with(token(exp=NOW - 600)) == (401, "header Authorization")


def test_the_person_number_may_stand_in_another_claim() -> None:
    given = token(sub="pairwise-1", personal_number=PATIENT)
    assert list_with(given, patient_claim="personal_number") == (200, "1 messages")
    assert list_with(token(), patient_claim="personal_number") == (403, "header Authorization")


def test_a_service_names_the_patient() -> None:
    given = token(sub="e-service", scope="inbox.service")
    assert list_with(given, PATIENT) == (200, "1 messages")
    assert list_with(given, OTHER_PATIENT) == (200, "0 messages")
    assert list_with(given) == (400, "header Budkavle-Patient")
    assert list_with(token(sub="e-service"), PATIENT) == (403, "header Authorization")


def test_keys_that_cannot_be_had_are_no_fault_of_the_caller() -> None:
    issuer = Issuer()
    issuer.away = True
    client = client_of(ReaderInMemory(), access(issuer))
    answer = client.get("/v1/messages", headers={"Authorization": f"Bearer {token()}"})
    assert answer.status_code == 503
    check(answer, "listMessages")


def test_one_patient_who_asks_too_often_keeps_no_other_waiting() -> None:
    client = client_of(ReaderInMemory(), access(), patient_rate=a_rate(burst=1))

    def status(given: str) -> int:
        headers = {"Authorization": f"Bearer {given}"}
        return client.get("/v1/messages", headers=headers).status_code

    assert [status(token()), status(token())] == [200, 429]
    assert status(token(sub=OTHER_PATIENT)) == 200
    assert status(token(sub="e-service", scope="inbox.service")) == 400
