"""Checks certificates, and whether the systems that the stages call answer and accept our login.

Nothing is sent: no call about a patient, no SMS, no mail.
"""

import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

from console.checks import Check, ok, warning, wrong
from fetcher.settings import FetcherSettings
from ingest.settings import IngestSettings
from notifier.settings import NotifierSettings
from notifier.sms_provider import provider_class
from notifier.smtp_connections import TROUBLE, SmtpServer
from shared.base.addresses import split_servers
from shared.base.certificates import PemFiles
from shared.base.clock import utcnow
from shared.base.deadline import Deadline
from shared.base.expiry import expiries
from shared.stage.settings import CommonSettings

_SECONDS = 10
_RENEW_WITHIN = timedelta(days=30)
_HTTPS = 443
_UNAUTHORIZED, _NOT_FOUND = 401, 404
#: Options of the broker's and the database's URL that name certificate files.
_FILES_IN_URLS = {"cafile", "certfile", "sslrootcert", "sslcert"}


def check_certificates(*settings: CommonSettings) -> Iterator[Check]:
    """Every certificate file that is set, once."""
    for file in sorted({file for each in settings for file in _files_of(each)}):
        yield _check_file(file)


def _files_of(settings: CommonSettings) -> Iterator[Path]:
    for name in ("fetcher_certificate", "fetcher_ca", "ingest_tls_certificate",
                 "ingest_tls_client_ca"):  # fmt: skip
        if file := getattr(settings, name, None):
            yield file
    for url in (settings.broker_url, settings.database_url):
        for option, value in parse_qsl(split_servers(url.get_secret_value())[0].query):
            if option in _FILES_IN_URLS:
                yield Path(value)


def _check_file(file: Path) -> Check:
    what = f"certificate {file}"
    try:
        ends = min(expiries(file.read_text()))
    except OSError as error:
        return wrong(what, error.strerror or type(error).__name__)
    except ValueError:
        return wrong(what, "holds no certificate")
    left = ends - utcnow()
    detail = f"valid until {ends:%Y-%m-%d}"
    if left < timedelta(0):
        return wrong(what, f"ended {ends:%Y-%m-%d}")
    return warning(what, detail) if left < _RENEW_WITHIN else ok(what, detail)


def check_tls_of_ingest(settings: IngestSettings) -> Iterator[Check]:
    """Whether certificate and key belong together."""
    if settings.tls is None:
        return
    try:
        settings.tls.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    except OSError as error:
        yield wrong("TLS of ingest", error.strerror or type(error).__name__)
    else:
        yield ok("TLS of ingest", "certificate and key fit")


def check_platform(settings: FetcherSettings) -> Iterator[Check]:
    """A connection and, for https, a handshake with our certificate; no call is made."""
    parts = urlsplit(settings.platform_url)
    what = f"platform ({parts.hostname})"
    address = (parts.hostname or "", parts.port or (_HTTPS if parts.scheme == "https" else 80))
    try:
        with socket.create_connection(address, timeout=_SECONDS) as connection:
            if parts.scheme == "https":
                _tls_context(settings).wrap_socket(connection, server_hostname=address[0]).close()
    except ssl.SSLCertVerificationError as error:
        yield wrong(what, f"its certificate: {error.verify_message}")
    except OSError as error:
        yield wrong(what, error.strerror or type(error).__name__)
    else:
        yield ok(what, "answers")


def _tls_context(settings: FetcherSettings) -> ssl.SSLContext:
    files = PemFiles(
        ca=settings.fetcher_ca,
        certificate=settings.fetcher_certificate,
        key=settings.fetcher_certificate_key,
    )
    context = ssl.create_default_context(cafile=files.ca)
    files.load_into(context)
    return context


def check_sms(settings: NotifierSettings) -> Iterator[Check]:
    """Each provider is asked something harmless under our login."""
    if not settings.sms_accounts:
        yield warning("SMS", "no provider is set")
    for name, account in settings.sms_accounts.items():
        what = f"SMS ({urlsplit(account.url).hostname})"
        login = provider_class(name).login(account)
        request = Request(login.url, headers=dict(login.headers))  # noqa: S310 - http or https only
        yield _login_at(what, request)


def _login_at(what: str, request: Request) -> Check:
    try:
        with urlopen(request, timeout=_SECONDS):  # noqa: S310 - as above
            return ok(what, "the login is right")
    except HTTPError as error:
        error.close()
        if error.code == _NOT_FOUND:
            return warning(what, "answers; the login cannot be tried there")
        if error.code == _UNAUTHORIZED:
            return wrong(what, "the login is refused")
        return wrong(what, f"HTTP {error.code}")
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        return wrong(what, getattr(reason, "strerror", None) or type(reason).__name__)


def check_mail(settings: NotifierSettings) -> Iterator[Check]:
    """Connects, encrypts and logs in as the notifier does, and hangs up."""
    if not settings.smtp_url:
        yield warning("e-mail", "no mail server is set")
        return
    encrypted = settings.smtp_starttls or settings.smtp_url.startswith("smtps:")
    server = SmtpServer(
        settings.smtp_url,
        settings.smtp_username,
        settings.smtp_password.get_secret_value(),
        tls=ssl.create_default_context() if encrypted else None,
    )
    what = f"e-mail ({urlsplit(settings.smtp_url).hostname})"
    domain = settings.smtp_sender.rpartition("@")[2].rstrip(">")
    try:
        server.open(domain, Deadline(_SECONDS)).close()
    except TROUBLE as error:
        yield wrong(what, getattr(error, "strerror", None) or type(error).__name__)
    else:
        yield ok(what, "logged in" if settings.smtp_username else "answers")
