"""The whole sandbox: builds its parts from settings, starts and stops them together."""

import asyncio
import ssl
from dataclasses import dataclass

from sandbox.booking_systems import BookingSystems
from sandbox.bookings import Bookings
from sandbox.calls import Calls
from sandbox.control import BookingControl, CatchControl, FaultControl, Faults, IndexControl
from sandbox.deliveries import Deliveries
from sandbox.engagement_index import EngagementIndex, Merging
from sandbox.faults import BookingFault, FaultBook, IndexFault, SmsFault, SmtpFault
from sandbox.http_server import HttpServer
from sandbox.index_entries import IndexEntries
from sandbox.mail_server import MailServer
from sandbox.pages.server import PagesServer
from sandbox.report_sender import ReportSender
from sandbox.routing import Router
from sandbox.settings import SandboxSettings
from sandbox.sms_provider import PATH as SMS_PATH
from sandbox.sms_provider import SmsProvider
from sandbox.sms_sinch import PATH as SINCH_PATH
from sandbox.sms_sinch import SinchProvider
from sandbox.subscriber import Subscriber


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of all parts; usable as settings of the relay."""

    platform: str
    index: str
    control: str
    smtp: str
    sms: str
    pages: str  # the desk at which clinics book
    inbox: str  # a patient's inbox
    sinch: str


class World:
    """Booking systems, index, mail and SMS. Build and use it within one event loop."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._faults = Faults(
            FaultBook(BookingFault),
            FaultBook(SmsFault),
            FaultBook(SmsFault),
            FaultBook(SmtpFault),
            FaultBook(IndexFault),
        )
        self._bookings, self._calls = Bookings(), Calls()
        self._subscriber = Subscriber(
            settings.subscriber_url,
            settings.subscriber_address,
            settings.sandbox_index_patience_seconds,
            self._faults.index,
        )
        self._index = _build_index(settings, self._subscriber)
        self._reports = ReportSender(settings.sandbox_sms_report_seconds)
        self._sms = SmsProvider(
            self._faults.sms, self._reports, settings.sandbox_sms_login.get_secret_value()
        )
        self._sinch = SinchProvider(
            self._faults.sinch, self._reports, settings.sandbox_sinch_token.get_secret_value()
        )
        self._mail = MailServer(
            settings.sandbox_smtp_bind,
            self._faults.smtp,
            tls=_tls_context(settings.sandbox_smtp_certificate),
            credentials=settings.sandbox_smtp_login.get_secret_value(),
        )
        platform = BookingSystems(
            self._bookings,
            self._faults.bookings,
            self._calls,
            unknown_is_fault=settings.sandbox_unknown_booking == "fault",
        )
        self._platform_server = HttpServer(platform, settings.sandbox_platform_bind)
        self._index_server = HttpServer(self._index, settings.sandbox_index_bind)
        self._sms_server = HttpServer(self._sms, settings.sandbox_sms_bind)
        self._sinch_server = HttpServer(self._sinch, settings.sandbox_sinch_bind)
        self._control_server = HttpServer(self._routes(), settings.sandbox_control_bind)
        self._pages = PagesServer(
            settings.sandbox_pages_bind,
            inbox_url=settings.inbox_url,
            control_url=lambda: self._control_server.url,
        )

    @property
    def addresses(self) -> Addresses:
        """The addresses. Known after the start."""
        return Addresses(
            platform=self._platform_server.url,
            index=self._index_server.url,
            control=self._control_server.url,
            smtp=self._mail.url,
            sms=f"{self._sms_server.url}{SMS_PATH}",
            pages=f"{self._pages.url}/",
            inbox=f"{self._pages.url}/inkorg",
            sinch=f"{self._sinch_server.url}{SINCH_PATH}",
        )

    async def start(self) -> None:
        for server in self._servers:
            await server.start()

    async def stop(self) -> None:
        """Release all held callers, and close."""
        for book in self._faults.all:
            book.end_all()
        await asyncio.gather(self._index.stop(), self._reports.stop())
        for server in self._servers:
            await server.stop()

    @property
    def _servers(self) -> tuple[HttpServer | MailServer | PagesServer, ...]:
        soap = (self._platform_server, self._index_server)
        sms = (self._sms_server, self._sinch_server)
        return (*soap, *sms, self._mail, self._control_server, self._pages)

    def _routes(self) -> Router:
        router = Router()
        BookingControl(self._bookings, self._calls).route(router)
        FaultControl(self._faults).route(router)
        IndexControl(self._index, self._subscriber).route(router)
        CatchControl(self._sms.caught, self._sinch.caught, self._mail.caught).route(router)
        return router


def _build_index(settings: SandboxSettings, subscriber: Subscriber) -> EngagementIndex:
    deliveries = Deliveries(
        subscriber.send,
        resends=settings.sandbox_index_resends,
        pause_seconds=settings.sandbox_index_resend_seconds,
        parallel=settings.sandbox_index_parallel,
    )
    merging = Merging(
        settings.sandbox_index_merge_seconds,
        settings.sandbox_index_merge_calls,
        settings.sandbox_index_merge_engagements,
    )
    return EngagementIndex(IndexEntries(settings.sandbox_index_owner), deliveries, merging)


def _tls_context(certificate: str) -> ssl.SSLContext | None:
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context
