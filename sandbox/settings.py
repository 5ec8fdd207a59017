"""Settings of the sandbox."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr

from shared.base.settings import Bind, url_of
from shared.stage.settings import CommonSettings

_BIND = "host:port of the sandbox's {}; port 0: any free one, shown in the ready line."


class SandboxSettings(CommonSettings):
    """Settings of `budkavle sandbox`. By default it listens on free ports on loopback."""

    stores: ClassVar[tuple[str, ...]] = ()

    sandbox_platform_bind: Bind = Field("127.0.0.1:0", description=_BIND.format("booking systems"))
    sandbox_index_bind: Bind = Field("127.0.0.1:0", description=_BIND.format("engagement index"))
    sandbox_control_bind: Bind = Field("127.0.0.1:0", description=_BIND.format("control API"))
    sandbox_smtp_bind: Bind = Field("127.0.0.1:0", description=_BIND.format("mail server"))
    sandbox_sms_bind: Bind = Field("127.0.0.1:0", description=_BIND.format("SMS provider"))
    sandbox_sinch_bind: Bind = Field("127.0.0.1:0", description=_BIND.format("other SMS provider"))
    sandbox_pages_bind: Bind = Field("127.0.0.1:0", description=_BIND.format("pages"))
    inbox_bind: Bind = Field("127.0.0.1:8091", description="host:port of the inbox read API.")
    sandbox_inbox_url: Annotated[str, url_of("http", "https")] = Field(
        "",
        description="Where the sandbox's inbox page reads patients' messages: the read API. Empty:"
        " at BUDKAVLE_INBOX_BIND.",
    )

    ingest_bind: Bind = Field(
        "127.0.0.1:8080", description="host:port of the SOAP endpoint of ingest."
    )
    sandbox_subscriber_url: str = Field(
        "",
        description="Where the sandbox's index posts ProcessNotification. Empty:"
        " `/ProcessNotification` at BUDKAVLE_INGEST_BIND.",
    )
    sandbox_index_owner: str = Field(
        "SE0000000000-INDEX", description="HSA-id of the sandbox's index: `owner` of its entries."
    )
    sandbox_index_merge_seconds: float = Field(
        5.0,
        ge=0,
        description="Single Updates are merged into one notification until no other has come for"
        " so long. 0: none are.",
    )
    sandbox_index_merge_calls: int = Field(
        1000, gt=0, description="... or until there are so many Updates in it."
    )
    sandbox_index_merge_engagements: int = Field(
        1,
        ge=0,
        description="Updates of more engagements than this are not merged. From 2 on, one"
        " notification may hold more than 1,000.",
    )
    sandbox_index_resends: int = Field(
        2,
        ge=0,
        description="How often the index re-sends what got a Fault, a refused connection or no"
        " answer; then it is dead. As it is packaged: 2 times after 5 s, 5 after 1 s or 5 after"
        " 60 s.",
    )
    sandbox_index_resend_seconds: float = Field(
        5.0, ge=0, description="How long the index waits before each re-send."
    )
    sandbox_index_patience_seconds: float = Field(
        60.0, gt=0, description="How long the index waits for an answer."
    )
    sandbox_index_parallel: int = Field(
        1,
        gt=0,
        description="How many notifications the index sends side by side. The real one sends one"
        " at a time to each subscriber; more only loads the relay harder.",
    )
    sandbox_unknown_booking: Literal["empty", "fault"] = Field(
        "empty", description="How booking systems answer about a booking they do not have."
    )
    sandbox_smtp_certificate: str = Field(
        "", description="PEM file of certificate and key; when set, STARTTLS is required."
    )
    sandbox_smtp_login: SecretStr = Field(
        SecretStr(""), description="`user:password` that mail must log in with. Empty: any or none."
    )
    sandbox_sms_login: SecretStr = Field(
        SecretStr(""), description="`user:password` of the SMS account. Empty: any."
    )
    sandbox_sinch_token: SecretStr = Field(
        SecretStr(""), description="API token of the other SMS account. Empty: any."
    )
    sandbox_sms_report_seconds: float = Field(
        0.2, ge=0, description="Time between the states of an SMS, and between repeated reports."
    )

    @property
    def inbox_url(self) -> str:
        return self.sandbox_inbox_url or f"http://{self.inbox_bind}"

    @property
    def subscriber_url(self) -> str:
        return self.sandbox_subscriber_url or f"http://{self.ingest_bind}/ProcessNotification"

    @property
    def subscriber_address(self) -> str:
        """The LogicalAddress of notifications: the relay's own, or a made-up one."""
        return self.logical_address or "SE0000000000-BUDKAVLE"
