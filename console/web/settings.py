"""Settings of the operator's pages."""

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from shared.base.addresses import split_bind
from shared.base.settings import Bind, Words, url_of
from shared.stage.settings import CommonSettings

_SHORTEST_KEY = 32


class PagesSettings(CommonSettings):
    """Where the pages are served, who may see them, and what they ask beside the relay."""

    console_bind: Bind = Field(
        "127.0.0.1:8090",
        description="host:port of the operator's pages. Without OpenID Connect or a proxy only an"
        " address of this machine. Port 0: any free one, shown in the ready line.",
    )
    console_url: Annotated[str, url_of("http", "https")] = Field(
        "",
        description="How browsers reach the pages, without a path: `https://budkavle.example.se`."
        " To be set with OpenID Connect or a proxy.",
    )
    console_session_key: SecretStr = Field(
        SecretStr(""),
        description="Secret of at least 32 characters that signs sessions, the same for all"
        " consoles. Empty: made at the start, so sessions end with the process.",
    )
    console_session_idle_minutes: float = Field(
        30, gt=0, description="A session ends after so long without a page being asked for."
    )
    console_session_hours: float = Field(
        10, gt=0, description="A session ends so long after the login, whatever is done."
    )
    console_oidc_issuer: Annotated[str, url_of("http", "https")] = Field(
        "", description="Issuer of the region's OpenID Connect provider. Empty: no login."
    )
    console_oidc_client_id: str = Field("", description="Our client id at that provider.")
    console_oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="The secret that belongs to it."
    )
    console_oidc_scope: str = Field(
        "openid profile", description="Scopes that are asked for, separated by blanks."
    )
    console_oidc_name_claim: str = Field(
        "preferred_username",
        description="Claim with the name that the log of actions keeps; else `sub`.",
    )
    console_oidc_roles_claim: str = Field(
        "roles",
        description="Claim that lists the user's roles or groups; with dots when it lies in"
        " another: `realm_access.roles`.",
    )
    console_oidc_ca: Path | None = Field(
        None, description="Issuers of the provider's certificate, PEM. Empty: the machine's own."
    )
    console_proxies: Words = Field(
        (), description="Addresses of the proxies that log users in and whose headers are believed."
    )
    console_proxy_user_header: str = Field(
        "", description="HTTP header in which those proxies name the user."
    )
    console_proxy_roles_header: str = Field(
        "", description="... and the one that lists the user's roles or groups."
    )
    console_role_viewer: Words = Field(
        ("viewer",), description="Roles or groups that may look at the pages."
    )
    console_role_operator: Words = Field(
        ("operator",), description="Roles or groups that may act as well."
    )
    console_role_privacy: Words = Field(
        ("privacy",),
        description="Roles or groups that may look and, for a reason, see what a patient is told.",
    )
    console_prometheus_url: Annotated[str, url_of("http", "https")] = Field(
        "",
        description="Prometheus, which is asked for the last hour. Empty: what the console has seen"
        " since it started.",
    )

    @property
    def uses_oidc(self) -> bool:
        return bool(self.console_oidc_issuer)

    @property
    def uses_proxy(self) -> bool:
        return bool(self.console_proxies)

    @property
    def idle(self) -> timedelta:
        return timedelta(minutes=self.console_session_idle_minutes)

    @property
    def longest(self) -> timedelta:
        return timedelta(hours=self.console_session_hours)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        """One way of knowing who it is, with all that it needs; or loopback alone."""
        if self.uses_oidc and self.uses_proxy:
            raise ValueError("BUDKAVLE_CONSOLE_OIDC_ISSUER and _PROXIES: set one of them")
        if 0 < len(self.console_session_key.get_secret_value()) < _SHORTEST_KEY:
            raise ValueError(f"BUDKAVLE_CONSOLE_SESSION_KEY: has under {_SHORTEST_KEY} characters")
        if not (self.uses_oidc or self.uses_proxy) and not is_loopback(self.console_bind):
            raise ValueError(
                "BUDKAVLE_CONSOLE_BIND: without _OIDC_ISSUER or _PROXIES the pages know nobody, and"
                " are served on 127.0.0.1 alone"
            )
        needed = _OF_OIDC if self.uses_oidc else _OF_PROXY if self.uses_proxy else ()
        missing = [name for name in needed if not self._is_set(name)]
        if missing:
            raise ValueError(
                ", ".join(f"BUDKAVLE_{name.upper()}" for name in missing) + ": not set"
            )
        return self

    def _is_set(self, name: str) -> bool:
        value = getattr(self, name)
        return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


_OF_OIDC = ("console_url", "console_oidc_client_id", "console_oidc_client_secret")
_OF_PROXY = ("console_url", "console_proxy_user_header", "console_proxy_roles_header")


def is_loopback(bind: str) -> bool:
    """Whether `host:port` is reached from this machine alone."""
    host, _ = split_bind(bind)
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
