"""Settings of the notifier."""

import re
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from notifier.pacing import QuietHours
from shared.base.settings import is_bind, url_of
from shared.stage.settings import CommonSettings

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_UNGUESSABLE = re.compile(r"[A-Za-z0-9_-]{20,}")


def _quiet_hours(text: object) -> object:
    """`"21:00-07:00"`; the empty text is no quiet hours."""
    return (QuietHours.parse(text) if text.strip() else None) if isinstance(text, str) else text


def _unguessable(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if text and not _UNGUESSABLE.fullmatch(text):
        raise ValueError("is not 20 or more of A–Z a–z 0–9 _ -")
    return secret


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
    sms_url: Annotated[str, url_of("http", "https")] = Field(
        "", description="The whole URL of 46elks' `POST /a1/sms`. Empty: no SMS is sent."
    )
    sms_username: str = Field("", description="46elks API username.")
    sms_password: SecretStr = Field(SecretStr(""), description="46elks API password.")
    sms_sender: str = Field(
        "Inkorg1177",
        pattern=r"^[A-Za-z][A-Za-z0-9]{2,10}$",
        description="Sender the phone shows: 3–11 of A–Z a–z 0–9, a letter first.",
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
        " SMS and one e-mail announce them. A length of BUDKAVLE_DELAY_STEPS costs least. 0: each"
        " by itself, unless it waits for other reasons.",
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
    notifier_prefetch: int = Field(32, ge=1, description="Messages a process holds in hand.")
    notifier_report_bind: Annotated[str, AfterValidator(_bind_or_none)] = Field(
        "", description="host:port for SMS delivery reports. Empty: none are asked for."
    )
    notifier_report_url: Annotated[str, url_of("http", "https")] = Field(
        "", description="How 46elks reaches that address: scheme, host, and a path if any."
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

    @model_validator(mode="after")
    def _login_is_encrypted(self) -> Self:
        parts = urlsplit(self.smtp_url)
        in_clear = parts.scheme == "smtp" and not self.smtp_starttls
        if self.smtp_username and in_clear and parts.hostname not in _LOOPBACK:
            raise ValueError("BUDKAVLE_SMTP_USERNAME needs smtps:// or BUDKAVLE_SMTP_STARTTLS")
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
