"""Run the notifier as a process: `python -m notifier`."""

import ssl
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

import structlog

from notifier.channels import ChannelBreaker, OutgoingChannel, Sender
from notifier.email_smtp import SmtpSender
from notifier.failover import ErrorRate, Failover, Line
from notifier.handler import Notifier
from notifier.metrics import observe, watch_breaker
from notifier.pacing import Bulkhead, CircuitBreaker, Slots
from notifier.settings import NotifierSettings
from notifier.sms_provider import Account, SmsProvider, provider_class, report_url
from notifier.smtp_connections import SmtpServer
from notifier.texts import Texts, load_texts
from shared.base.clock import utcnow
from shared.base.errors import WrongSettings
from shared.base.logging import bound_to_lines
from shared.base.settings import blaming
from shared.base.text_folder import UnfitText
from shared.booking.notices import Channel
from shared.stage.process import run_stage, start
from shared.stage.tracing import Tracer
from shared.store.clock import DatabaseClock
from shared.store.contacts import ContactPreferences
from shared.store.engine import open_database
from shared.store.inbox import Inbox
from shared.store.migrate import ensure_sqlite
from shared.store.notices import NoticeStore

log = structlog.get_logger()

#: How long a batch waits for further orders: nothing beside the wait for other messages.
_LINGER_SECONDS = 0.1
#: How many orders are in work for each notice that may be sent at once. With more, many batches
#: share out the places to send one by one, and each notice has a claim and a result of its own.
_IN_WORK = 6
_PROVIDER_SETTINGS = {Channel.SMS: "BUDKAVLE_SMS_URL", Channel.EMAIL: "BUDKAVLE_SMTP_URL"}


def run(settings: NotifierSettings) -> int:
    channels = outgoing_channels(settings, fit_texts(settings))
    url = settings.database_url.get_secret_value()
    ensure_sqlite(url)
    database = open_database(url, pool_size=settings.notifier_concurrency, by_index=True)
    clock = DatabaseClock(database)
    notices = NoticeStore(database)
    tracer = Tracer("notifier", settings)
    notifier = Notifier(
        ContactPreferences(database),
        notices,
        channels,
        observe,
        in_inbox=Inbox(database).held,
        collecting=timedelta(seconds=settings.notifier_collect_seconds),
        sending_limit=timedelta(seconds=settings.notifier_sending_seconds),
        at_once=settings.notifier_concurrency,
        named=lambda order: bound_to_lines(tracer.log_context(order)),
        clock=clock,
    )
    return run_stage(
        "notifier",
        notifier,
        settings,
        concurrency=settings.notifier_concurrency,
        prefetch=settings.notifier_prefetch,
        handle_batch=notifier.handle_batch,
        linger=_LINGER_SECONDS,
        in_work=_IN_WORK * settings.notifier_concurrency,
        tracer=tracer,
        checks={"database": database.ready, "clock": clock.agrees},
        started=partial(log_missing_providers, channels),
        report=lambda: {"channels_off": [each for each in Channel if each not in channels]},
        closers=[*start_reports(settings, notices), database.close],
    )


def fit_texts(settings: NotifierSettings) -> Texts:
    """The texts. Raises `WrongSettings` with the reason why they cannot be sent."""
    try:
        return load_texts(settings.notifier_templates)
    except UnfitText as error:
        raise WrongSettings(f"BUDKAVLE_NOTIFIER_TEMPLATES: {error}") from error


def outgoing_channels(
    settings: NotifierSettings, texts: Texts
) -> Mapping[Channel, OutgoingChannel]:
    """The channels for which a provider is set. Providers are chosen here and nowhere else."""
    channels = {}
    bulkheads = partial(Bulkhead, settings.sendings_of_one_channel)
    if settings.sms_url:
        sender, breaker = sms_sender(settings, texts)
        quiet_hours, slots = settings.notifier_quiet_hours, Slots(settings.sms_per_minute)
        channels[Channel.SMS] = OutgoingChannel(sender, breaker, quiet_hours, slots, bulkheads())
    if settings.smtp_url:
        breaker = CircuitBreaker(changed=watch_breaker(Channel.EMAIL, "smtp"))
        channels[Channel.EMAIL] = OutgoingChannel(
            mail_sender(settings, texts), breaker, bulkhead=bulkheads()
        )
    return channels


def log_missing_providers(channels: Mapping[Channel, OutgoingChannel]) -> None:
    """Orders for such a channel become dead letters (`channel_off`)."""
    for channel, setting in _PROVIDER_SETTINGS.items():
        if channel not in channels:
            log.warning("no_provider", channel=channel, setting=setting)


def sms_sender(settings: NotifierSettings, texts: Texts) -> tuple[Sender, ChannelBreaker]:
    """The provider and its circuit breaker, or both providers as one."""
    lines = [
        Line(
            name,
            sms_provider(settings, texts, name, account),
            CircuitBreaker(changed=watch_breaker(Channel.SMS, name)),
            ErrorRate(settings.sms_failover_error_share),
        )
        for name, account in settings.sms_accounts.items()
    ]
    if len(lines) == 1:
        return lines[0].sender, lines[0].breaker
    both = Failover(lines, clock=utcnow)
    return both, both


def sms_provider(
    settings: NotifierSettings, texts: Texts, name: str, account: Account
) -> SmsProvider:
    secret = settings.notifier_report_secret.get_secret_value()
    reports = report_url(settings.notifier_report_url, secret, name) if secret else ""
    return provider_class(name)(account, texts.sms, report_url=reports, clock=utcnow)


def mail_sender(settings: NotifierSettings, texts: Texts) -> SmtpSender:
    encrypted = settings.smtp_starttls or settings.smtp_url.startswith("smtps:")
    server = SmtpServer(
        settings.smtp_url,
        settings.smtp_username,
        settings.smtp_password.get_secret_value(),
        tls=ssl.create_default_context() if encrypted else None,
    )
    return SmtpSender(
        server,
        settings.smtp_sender,
        subject=texts.email_subject,
        body=texts.email_body,
        clock=utcnow,
        seconds=settings.notifier_deadline_seconds,
    )


def start_reports(settings: NotifierSettings, notices: NoticeStore) -> list[Callable[[], None]]:
    """Take delivery reports, if they are asked for; how to stop that."""
    if not settings.notifier_report_bind:
        return []
    from notifier.delivery_reports import DeliveryReports  # and Starlette

    secret = settings.notifier_report_secret.get_secret_value()
    with blaming("BUDKAVLE_NOTIFIER_REPORT_BIND"):
        reports = DeliveryReports(settings.notifier_report_bind, secret, notices.report, observe)
    reports.start()
    return [reports.stop]


if __name__ == "__main__":
    sys.exit(start("notifier", NotifierSettings, run))
