"""`budkavle inbox serve` as a process, with tokens of a real OpenID Connect provider."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import oidc_provider_mock
import pytest
import requests
from oidc_provider_mock import User

from console.processes import Child
from shared.store.engine import open_database
from shared.store.migrate import migrate
from tests.inbox_rows import write_messages

PATIENT, OTHER_PATIENT = "191212121212", "201212121212"
AUDIENCE = "budkavle-inbox"
USERS = (
    User(sub=PATIENT, claims={"scope": "openid inbox"}),
    User(sub=OTHER_PATIENT, claims={"scope": "openid inbox"}),
    User(sub="no-patient", claims={"scope": "openid inbox"}),
    User(sub="no-scope", claims={}),
    User(sub="e-service", claims={"scope": "inbox.service"}),
)

Token = Callable[..., str]


@contextmanager
def provider(lifetime: timedelta = timedelta(hours=1)) -> Iterator[tuple[str, Token]]:
    """An issuer, and what hands out its signed tokens: a login by the code flow."""
    with oidc_provider_mock.run_server_in_thread(
        user_claims=USERS, access_token_max_age=lifetime
    ) as server:
        issuer = f"http://localhost:{server.server_port}"

        def token(user: str, audience: str = AUDIENCE) -> str:
            return log_in(issuer, user, audience)

        yield issuer, token


def log_in(issuer: str, user: str, client_id: str) -> str:
    back = "http://localhost/back"
    query = {
        "client_id": client_id,
        "redirect_uri": back,
        "response_type": "code",
        "scope": "openid",
        "state": "s",
    }
    allowed = requests.post(
        f"{issuer}/oauth2/authorize",
        params=query,
        data={"sub": user},
        allow_redirects=False,
        timeout=10,
    )
    [code] = parse_qs(urlsplit(allowed.headers["Location"]).query)["code"]
    answer = requests.post(
        f"{issuer}/oauth2/token",
        data={"grant_type": "authorization_code", "code": code, "redirect_uri": back},
        auth=(client_id, "secret"),
        timeout=10,
    )
    found: str = answer.json()["id_token"]
    return found


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Any]:
    """The API on a database with the message `mine`; `ask(path, token, patient)`."""
    url = f"sqlite:///{folder}/budkavle.sqlite3"
    migrate(url)
    database = open_database(url)
    write_messages(database, "mine")
    database.close()
    environment = {
        "BUDKAVLE_DATABASE_URL": url,
        "BUDKAVLE_INBOX_BIND": "127.0.0.1:0",
        "BUDKAVLE_LOG_LEVEL": "debug",
        **settings,
    }
    child = Child("console inbox serve", environment, folder / "log")
    try:
        ready = child.ready(30)

        def ask(
            path: str = "", token: str = "", patient: str = "", method: str = "GET"
        ) -> requests.Response:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            headers |= {"Budkavle-Patient": patient} if patient else {}
            address = f"{ready['url']}/v1/messages{path}"
            return requests.request(method, address, headers=headers, timeout=10)

        ask.ready = ready  # type: ignore[attr-defined]
        yield ask
    finally:
        assert child.stop() == 0


def with_issuer(issuer: str) -> dict[str, str]:
    return {"BUDKAVLE_INBOX_ISSUER": issuer, "BUDKAVLE_INBOX_AUDIENCE": AUDIENCE}


def test_tokens_of_a_real_provider_open_the_right_inbox_and_no_other(tmp_path: Path) -> None:
    with provider() as (issuer, token), serving(tmp_path, **with_issuer(issuer)) as ask:
        assert ask.ready["access"] == f"tokens of {issuer}"
        mine = token(PATIENT)
        assert [one["id"] for one in ask("", mine).json()["messages"]] == ["mine"]
        assert ask("/mine/read", mine, method="PUT").status_code == 204
        assert ask("/mine", mine).json()["read"] is True
        assert ask("", mine, OTHER_PATIENT).status_code == 403
        others = token(OTHER_PATIENT)
        assert ask("/mine", others).status_code == 404
        assert ask("/mine/read", others, method="PUT").status_code == 404
        service = token("e-service")
        assert ask("/mine", service, PATIENT).status_code == 200
        assert ask("/mine", service).status_code == 400
    refused_and_masked = (tmp_path / "log").read_text()
    assert PATIENT not in refused_and_masked
    assert OTHER_PATIENT not in refused_and_masked


def test_any_other_token_is_refused(tmp_path: Path) -> None:
    with provider() as (issuer, token), serving(tmp_path, **with_issuer(issuer)) as ask:
        status = {
            "no token": ask().status_code,
            "another audience": ask("", token(PATIENT, "another-api")).status_code,
            "no patient": ask("", token("no-patient")).status_code,
            "no scope": ask("", token("no-scope")).status_code,
            "changed": ask("", as_another(token(OTHER_PATIENT))).status_code,
        }
        with provider() as (_, strangers):
            status["another issuer"] = ask("", strangers(PATIENT)).status_code
    assert status == {
        "no token": 401,
        "another audience": 401,
        "no patient": 403,
        "no scope": 403,
        "changed": 401,
        "another issuer": 401,
    }


def as_another(token: str) -> str:
    """With the subject exchanged and the signature kept."""
    head, claims, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    changed = json.dumps({**said, "sub": PATIENT}).encode()
    return ".".join([head, base64.urlsafe_b64encode(changed).decode().rstrip("="), signature])


def test_a_token_that_has_expired_is_refused(tmp_path: Path) -> None:
    settings = {"BUDKAVLE_INBOX_CLOCK_SKEW_SECONDS": "0"}
    with (
        provider(timedelta(seconds=-60)) as (issuer, token),
        serving(tmp_path, **with_issuer(issuer), **settings) as ask,
    ):
        answer = ask("", token(PATIENT))
        assert answer.status_code == 401
        assert "expired" in answer.json()["detail"]


def test_without_an_issuer_it_serves_loopback_and_says_so(tmp_path: Path) -> None:
    with serving(tmp_path) as ask:
        assert "BUDKAVLE_INBOX_ISSUER is not set" in ask.ready["access"]
        assert ask("/mine", patient=PATIENT).status_code == 200
        health = requests.get(f"{ask.ready['health']}/readyz", timeout=10)
        assert health.json() == {"database": True}
        metrics = requests.get(f"{ask.ready['health']}/metrics", timeout=10).text
        assert 'operation="get_message",status="200"' in metrics
        assert PATIENT not in metrics
    assert PATIENT not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"BUDKAVLE_INBOX_BIND": "0.0.0.0:0"}, "BUDKAVLE_INBOX_BIND"),
        ({"BUDKAVLE_INBOX_ISSUER": "https://idp.example"}, "BUDKAVLE_INBOX_ISSUER and _AUDIENCE"),
        ({"BUDKAVLE_INBOX_ISSUER": "ftp://idp.example"}, "BUDKAVLE_INBOX_ISSUER"),
        (
            {
                "BUDKAVLE_ENVIRONMENT": "prod",
                "BUDKAVLE_INBOX_ISSUER": "http://idp.example",
                "BUDKAVLE_INBOX_AUDIENCE": AUDIENCE,
            },
            "https is needed",
        ),
    ],
)
def test_it_does_not_start_where_strangers_could_read(
    tmp_path: Path, settings: dict[str, str], named: str
) -> None:
    environment = {
        **os.environ,
        "BUDKAVLE_DATABASE_URL": f"sqlite:///{tmp_path}/budkavle.sqlite3",
        **settings,
    }
    done = subprocess.run(
        [sys.executable, "-m", "console", "inbox", "serve"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert named in done.stderr
