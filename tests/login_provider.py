"""An OpenID Connect provider in this process, built on Authlib: people, roles, logins."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from oidc_provider_mock import User, run_server_in_thread

CLIENT = "budkavle"
SECRET = "a-secret-of-the-client"

#: Who there is, and which groups the provider says they are in.
PEOPLE: Mapping[str, Sequence[str]] = {
    "vera-viewer": ["viewer"],
    "otto-operator": ["operator"],
    "pia-privacy": ["privacy"],
    "nils-nobody": [],
}


@contextmanager
def login_provider(people: Mapping[str, Sequence[str]] = PEOPLE) -> Iterator[str]:
    """The provider's issuer."""
    users = [
        User(sub=name, claims={"preferred_username": name, "roles": [*roles]})
        for name, roles in people.items()
    ]
    with run_server_in_thread(user_claims=users) as server:
        yield f"http://localhost:{server.server_port}"


def settings_of(issuer: str) -> dict[str, Any]:
    """Of the console whose users log in there."""
    return {
        "console_oidc_issuer": issuer,
        "console_oidc_client_id": CLIENT,
        "console_oidc_client_secret": SECRET,
        "console_url": "http://localhost",
    }


def parameter(address: str, name: str) -> str:
    found = re.search(rf"[?&]{name}=([^&]+)", address)
    assert found, f"{name} is not in the address"
    return found[1]
