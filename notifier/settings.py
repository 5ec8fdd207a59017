"""Settings of the notifier."""

import re
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from notifier.pacing import QuietHours
from notifier.sms_provider import Account, has_provider
from shared.base.settings import is_bind, url_of
from shared.stage.settings import CommonSettings

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_SENDER = r"^[A-Za-z][A-Za-z0-9]{2,10}$"
_UNGUESSABLE = re.compile(r"[A-Za-z0-9_-]{20,}")


def _quiet_hours(text: object) -> object:
    """`"21:00-07:00"`; the empty text is no quiet hours."""
    return (QuietHours.parse(text) if text.strip() else None) if isinstance(text, str) else text


def _unguessable(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if text and not _UNGUESSABLE.fullmatch(text):
        raise ValueError("is not 20 or more of A–Z a–z 0–9 _ -")
    return secret


def _known_provider(name: str) -> str:
    if not has_provider(name):
        raise ValueError("there is no such SMS provider")
    return name


def _known_provider_or_none(name: str) -> str:
    return _known_provider(name) if name else name


def _bind_or_none(text: str) -> str:
    return is_bind(text) if text else text


class NotifierSettings(CommonSettings):
    smtp_url: Annotated[str, url_of("smtp", "smtps")] = Field(
        "", description="`smtp://host:port` or `smtps://host:port`. Empty: no e-mail is sent."
    )
    smtp_starttls: bool = Field(
        default=False, description="Encrypt by STARTTLS (with `smtp://`), or do not send."
    )
    smtp_username: str = Field("", description="Login at the mail server. Empty: none.")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password of that login.")
    smtp_sender: str = Field(
        "1177 <no-reply@budkavle.invalid>",
        pattern=r"^[^\r\n]*[^\s@<>]+@[A-Za-z0-9.-]+>?$",
        description="From whom the e-mail is; its domain also names us to the mail server.",
    )
    sms_provider: Annotated[str, AfterValidator(_known_provider)] = Field(
        "46elks", description="Who sends SMS: `46elks` or `sinch`."
    )
    sms_url: Annotated[str, url_of("http", "https")] = Field(
        "",
        description="The whole URL that SMS are posted to: 46elks' `…/a1/sms`, Sinch's"
        " `…/xms/v1/{service plan id}/batches`. Empty: no SMS is sent.",
    )
    sms_username: str = Field("", description="46elks API username. Sinch has none.")
    sms_password: SecretStr = Field(
        SecretStr(""), description="46elks API password, or Sinch's API token."
    )
    sms_sender: str = Field(
        "Inkorg1177",
        pattern=_SENDER,
        description="Sender the phone shows: 3–11 of A–Z a–z 0–9, a letter first.",
    )
    sms_failover_provider: Annotated[str, AfterValidator(_known_provider_or_none)] = Field(
        "",
        description="Who sends SMS while BUDKAVLE_SMS_PROVIDER is down, does not answer or fails"
        " too often. Empty: nobody, they wait.",
    )
    sms_failover_url: Annotated[str, url_of("http", "https")] = Field(
        "", description="As BUDKAVLE_SMS_URL, of that provider."
    )
    sms_failover_username: str = Field("", description="As BUDKAVLE_SMS_USERNAME.")
    sms_failover_password: SecretStr = Field(SecretStr(""), description="As BUDKAVLE_SMS_PASSWORD.")
    sms_failover_sender: str = Field(
        "", pattern=f"^$|{_SENDER}", description="As BUDKAVLE_SMS_SENDER. Empty: the same."
    )
    sms_failover_error_share: float = Field(
        0.3,
        gt=0,
        le=1,
        description="A provider is passed over for five minutes when this share of its last 50"
        " sendings (10 at least) was refused or failed.",
    )
    sms_per_minute: int = Field(
        100,
        ge=1,
        description="SMS a minute from one process (46elks: about 100 an account). With several"
        " notifiers, give each its share.",
    )
    notifier_quiet_hours: Annotated[QuietHours | None, BeforeValidator(_quiet_hours)] = Field(
        None,
        description="Hours in which no SMS goes out, as `21:00-07:00`, Swedish time. Empty: none."
        " E-mail goes at once.",
    )
    notifier_collect_seconds: float = Field(
        5,
        ge=0,
        description="How long a notice waits for other messages to the same patient, so that one"
        " SMS and one e-mail announce them. Up to 30 s costs least. 0: each by itself, unless it"
        " waits for other reasons.",
    )
    notifier_templates: Path | None = Field(
        None,
        description="Folder with texts of your own: `sms.txt`, `email_subject.txt`,"
        " `email_body.txt`, and with `_several` before `.txt` for several messages; ours for those"
        " it lacks. A file of another name is refused.",
    )
    notifier_sending_seconds: float = Field(
        150,
        gt=0,
        description="A notice found half sent for this long is taken for uncertain. Longer than"
        " any one sending may take.",
    )
    notifier_deadline_seconds: float = Field(
        15,
        gt=0,
        description="How long one sending may take, from connecting to the provider's last answer."
        " Shorter than BUDKAVLE_DRAIN_SECONDS, so that a stop need not break one off.",
    )
    notifier_concurrency: int = Field(
        8,
        ge=1,
        description="Notices sent at once by one process; one channel takes three quarters of it at"
        " most.",
    )
    notifier_prefetch: int = Field(
        2500,
        ge=1,
        description="Messages a process has in hand. All but 100 of them may wait there for others"
        " to the same patient; what is more waits in a delay queue, which costs more.",
    )
    notifier_report_bind: Annotated[str, AfterValidator(_bind_or_none)] = Field(
        "", description="host:port for SMS delivery reports. Empty: none are asked for."
    )
    notifier_report_url: Annotated[str, url_of("http", "https")] = Field(
        "",
        description="How SMS providers reach that address: scheme, host, and a path if any.",
    )
    notifier_report_secret: Annotated[SecretStr, AfterValidator(_unguessable)] = Field(
        SecretStr(""),
        description="Secret part of the report addresses: 20 or more of A–Z a–z 0–9 _ -.",
    )

    @property
    def sendings_of_one_channel(self) -> int:
        """Concurrent sendings of one channel.

        The rest is for the other, while a provider is slow.
        """
        return max(1, self.notifier_concurrency * 3 // 4)

    @property
    def sms_accounts(self) -> dict[str, Account]:
        """The accounts by the names of their providers, in the order of preference."""
        accounts = {}
        if self.sms_url:
            password = self.sms_password.get_secret_value()
            accounts[self.sms_provider] = Account(
                self.sms_url, self.sms_username, password, self.sms_sender,
                seconds=self.notifier_deadline_seconds,
            )  # fmt: skip
        if self.sms_failover_provider:
            password = self.sms_failover_password.get_secret_value()
            accounts[self.sms_failover_provider] = Account(
                self.sms_failover_url, self.sms_failover_username, password,
                self.sms_failover_sender or self.sms_sender,
                seconds=self.notifier_deadline_seconds,
            )  # fmt: skip
        return accounts

    @model_validator(mode="after")
    def _login_is_encrypted(self) -> Self:
        parts = urlsplit(self.smtp_url)
        in_clear = parts.scheme == "smtp" and not self.smtp_starttls
        if self.smtp_username and in_clear and parts.hostname not in _LOOPBACK:
            raise ValueError("BUDKAVLE_SMTP_USERNAME needs smtps:// or BUDKAVLE_SMTP_STARTTLS")
        return self

    @model_validator(mode="after")
    def _failover_is_whole(self) -> Self:
        if bool(self.sms_failover_provider) != bool(self.sms_failover_url):
            raise ValueError("BUDKAVLE_SMS_FAILOVER_PROVIDER and _URL go together")
        if self.sms_failover_provider and not self.sms_url:
            raise ValueError("BUDKAVLE_SMS_FAILOVER_PROVIDER needs BUDKAVLE_SMS_URL")
        if self.sms_failover_provider == self.sms_provider:
            raise ValueError("BUDKAVLE_SMS_FAILOVER_PROVIDER is BUDKAVLE_SMS_PROVIDER itself")
        return self

    @model_validator(mode="after")
    def _doubt_comes_after_the_deadline(self) -> Self:
        if self.notifier_deadline_seconds >= self.notifier_sending_seconds:
            raise ValueError(
                "BUDKAVLE_NOTIFIER_DEADLINE_SECONDS is not below BUDKAVLE_NOTIFIER_SENDING_SECONDS"
            )
        return self

    @model_validator(mode="after")
    def _reports_are_whole(self) -> Self:
        secret = self.notifier_report_secret.get_secret_value()
        given = [bool(self.notifier_report_bind), bool(self.notifier_report_url), bool(secret)]
        if any(given) and not all(given):
            raise ValueError("BUDKAVLE_NOTIFIER_REPORT_BIND, _URL and _SECRET go together")
        return self
