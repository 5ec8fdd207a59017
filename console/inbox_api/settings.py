"""Settings of the inbox read API."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from shared.base.addresses import is_loopback, split_bind
from shared.base.settings import Bind, url_of
from shared.stage.settings import CommonSettings


class InboxApiSettings(CommonSettings):
    """Settings of `budkavle inbox serve`."""

    stores: ClassVar[tuple[str, ...]] = ("database_url",)

    inbox_bind: Bind = Field(
        "127.0.0.1:8091",
        description="host:port of the inbox read API. Port 0: any free one, shown in the ready"
        " line. It is plain HTTP: put a proxy with TLS before it.",
    )
    inbox_issuer: Annotated[str, url_of("https", "http")] = Field(
        "",
        description="The OpenID Connect issuer whose tokens are taken, as its tokens name it."
        " Empty: no tokens; then the API listens on loopback only and believes every caller.",
    )
    inbox_audience: str = Field(
        "", description="What tokens must name as their audience (`aud`). Needed with an issuer."
    )
    inbox_jwks_url: Annotated[str, url_of("https", "http")] = Field(
        "",
        description="Where the issuer's keys are. Empty: as its"
        " `/.well-known/openid-configuration` says.",
    )
    inbox_patient_claim: str = Field(
        "sub", min_length=1, description="The claim of a patient's token that is the person number."
    )
    inbox_patient_scope: str = Field(
        "inbox", description="The scope that a patient's token must have. Empty: none."
    )
    inbox_service_scope: str = Field(
        "inbox.service",
        min_length=1,
        description="The scope of services that may read for any patient, whom they name in the"
        " header `Budkavle-Patient`.",
    )
    inbox_clock_skew_seconds: int = Field(
        30, ge=0, le=300, description="How far the issuer's clock and ours may differ."
    )
    inbox_patient_rate: float = Field(
        5, gt=0, description="Requests a second for each patient who calls with an own token."
    )
    inbox_service_rate: float = Field(
        200, gt=0, description="Requests a second for each service, and without an issuer for all."
    )
    inbox_max_connections: int = Field(
        500, gt=0, description="Open connections; beyond it the longest idle one is closed."
    )

    @model_validator(mode="after")
    def _tokens_are_for_us(self) -> Self:
        if bool(self.inbox_issuer) != bool(self.inbox_audience):
            raise ValueError("BUDKAVLE_INBOX_ISSUER and _AUDIENCE go together")
        return self

    @model_validator(mode="after")
    def _strangers_are_kept_out(self) -> Self:
        if not self.inbox_issuer and not is_loopback(split_bind(self.inbox_bind)[0]):
            raise ValueError(
                "BUDKAVLE_INBOX_BIND: must be a loopback address without BUDKAVLE_INBOX_ISSUER"
            )
        return self

    @model_validator(mode="after")
    def _keys_cannot_be_exchanged(self) -> Self:
        for name in ("inbox_issuer", "inbox_jwks_url"):
            url = getattr(self, name)
            if url.startswith("http:") and self.environment == "prod":
                raise ValueError(f"BUDKAVLE_{name.upper()}: https is needed in environment prod")
        return self
