"""Settings that would send wrongly, or show secrets, stop the notifier at its start."""

import pytest

from notifier.__main__ import outgoing_channels
from notifier.settings import NotifierSettings
from notifier.texts import load_texts
from shared.base.errors import WrongSettings
from shared.booking.notices import Channel

SECRET = "abcdefghijklmnopqrst"

FAILOVER: dict[str, object] = {
    "sms_url": "https://api.example.org/a1/sms",
    "sms_failover_provider": "sinch",
    "sms_failover_url": "https://sms.example.org/xms/v1/plan/batches",
    "sms_failover_password": "token",
}


def test_the_second_provider_has_an_account_of_its_own() -> None:
    accounts = NotifierSettings(**FAILOVER).sms_accounts
    assert list(accounts) == ["46elks", "sinch"]
    assert (accounts["sinch"].password, accounts["sinch"].sender) == ("token", "Inkorg1177")
    assert accounts["46elks"].password == ""


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"smtp_url": "http://mail.example.org"}, "BUDKAVLE_SMTP_URL: "),
        ({"sms_url": "api.example.org/a1/sms"}, "BUDKAVLE_SMS_URL: "),
        ({"sms_url": "https://me:pw@api.example.org/a1/sms"}, "BUDKAVLE_SMS_URL: holds a login"),
        ({"smtp_url": "smtp://mail.example.org:port"}, "BUDKAVLE_SMTP_URL: "),
        ({"notifier_report_bind": "8090"}, "BUDKAVLE_NOTIFIER_REPORT_BIND: "),
        ({"sms_sender": "1177"}, "BUDKAVLE_SMS_SENDER: "),
        ({"sms_sender": "ab"}, "BUDKAVLE_SMS_SENDER: "),
        ({"sms_sender": "abcdefghijkl"}, "BUDKAVLE_SMS_SENDER: "),
        ({"sms_sender": "Vård1177"}, "BUDKAVLE_SMS_SENDER: "),
        ({"sms_per_minute": 0}, "BUDKAVLE_SMS_PER_MINUTE: "),
        ({"smtp_sender": "a@example.org\r\nBcc: b@example.org"}, "BUDKAVLE_SMTP_SENDER: "),
        ({"smtp_sender": "nobody"}, "BUDKAVLE_SMTP_SENDER: "),
        ({"notifier_quiet_hours": "late"}, "BUDKAVLE_NOTIFIER_QUIET_HOURS: "),
        ({"notifier_report_secret": "short"}, "BUDKAVLE_NOTIFIER_REPORT_SECRET: "),
        ({"notifier_report_bind": "127.0.0.1:8090"}, "go together"),
        ({"notifier_report_secret": SECRET}, "go together"),
        ({"smtp_url": "smtp://mail.example.org", "smtp_username": "a"}, "BUDKAVLE_SMTP_STARTTLS"),
        ({"sms_provider": "nobody"}, "BUDKAVLE_SMS_PROVIDER: there is no such SMS provider"),
        ({"sms_provider": "provider"}, "BUDKAVLE_SMS_PROVIDER: there is no such SMS provider"),
        ({"sms_failover_provider": "sinch"}, "BUDKAVLE_SMS_FAILOVER_PROVIDER and _URL go together"),
        (FAILOVER | {"sms_url": ""}, "BUDKAVLE_SMS_FAILOVER_PROVIDER needs BUDKAVLE_SMS_URL"),
        (FAILOVER | {"sms_provider": "sinch"}, "is BUDKAVLE_SMS_PROVIDER itself"),
        (FAILOVER | {"sms_failover_sender": "1177"}, "BUDKAVLE_SMS_FAILOVER_SENDER: "),
        ({"sms_failover_error_share": 0}, "BUDKAVLE_SMS_FAILOVER_ERROR_SHARE: "),
        ({"notifier_deadline_seconds": 150}, "BUDKAVLE_NOTIFIER_DEADLINE_SECONDS is not below"),
    ],
)
def test_wrong_settings_are_refused_by_name(values: dict[str, object], named: str) -> None:
    with pytest.raises(WrongSettings, match=named):
        NotifierSettings(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"smtp_url": "smtps://mail.example.org", "smtp_username": "a"},
        {"smtp_url": "smtp://mail.example.org", "smtp_username": "a", "smtp_starttls": True},
        {"smtp_url": "smtp://127.0.0.1:2525", "smtp_username": "a"},
        {"notifier_quiet_hours": ""},
        {"sms_sender": "Abc"},
        {"sms_sender": "Abcdefghij1"},
    ],
)
def test_right_settings_are_kept_as_given(values: dict[str, object]) -> None:
    settings = NotifierSettings(**values)
    kept = {name: getattr(settings, name) for name in values}
    assert kept == {name: value or None for name, value in values.items()}


@pytest.mark.parametrize(
    ("values", "channels"),
    [
        ({}, set()),
        ({"sms_url": "http://127.0.0.1:9/a1/sms"}, {Channel.SMS}),
        ({"smtp_url": "smtp://127.0.0.1:9"}, {Channel.EMAIL}),
    ],
)
def test_a_channel_without_a_provider_is_not_offered(
    values: dict[str, object], channels: set[Channel]
) -> None:
    assert outgoing_channels(NotifierSettings(**values), load_texts()).keys() == channels


def test_quiet_hours_are_for_sms_alone() -> None:
    settings = NotifierSettings(
        sms_url="http://127.0.0.1:9/a1/sms",
        smtp_url="smtp://127.0.0.1:9",
        notifier_quiet_hours="21:00-07:00",
    )
    channels = outgoing_channels(settings, load_texts())
    assert channels[Channel.SMS].quiet_hours is not None
    assert channels[Channel.EMAIL].quiet_hours is None
