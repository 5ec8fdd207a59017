"""The port for SMS providers: a provider is one file, `notifier/sms_NAME.py`.

The file names its class `Provider`, and the class does what `SmsProvider` asks for. NAME is then a
value of BUDKAVLE_SMS_PROVIDER; nothing else knows which providers there are. One suite runs against
all of them (tests/integration/test_sms_providers.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

from notifier.results import SendResult
from notifier.texts import Text
from shared.base.clock import Clock
from shared.booking.notices import NoticeStatus

REPORT_PATH = "/sms-reports"


@dataclass(frozen=True, slots=True)
class Account:
    """`seconds` bounds one sending as a whole, `connect_seconds` the connecting in it."""

    url: str  # posted to exactly as it is
    username: str
    password: str
    sender: str  # what the patient's phone shows
    connect_seconds: float = 5
    seconds: float = 15


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What a provider reports at last: `delivered` or `failed`, and its own id of the SMS."""

    status: NoticeStatus
    provider_id: str


@dataclass(frozen=True, slots=True)
class Login:
    """A harmless GET that shows whether the login is right."""

    url: str
    headers: Mapping[str, str]


def report_url(public_url: str, secret: str, provider: str) -> str:
    """The address that `provider` sends reports to; the notice's id is appended to it."""
    return f"{public_url.rstrip('/')}{REPORT_PATH}/{secret}/{provider}"


class SmsProvider(Protocol):
    """Sends every notice with the same `text`; one about several messages has its own.

    `report_url`: where delivery reports are taken; the notice's id is appended to it. "": none are
    asked for.
    """

    def __init__(
        self, account: Account, text: Text, *, report_url: str = "", clock: Clock
    ) -> None: ...

    def send(self, notice_id: str, address: str, *, several: bool = False) -> SendResult:
        """Send the notice once. Raises no error of its library."""

    @staticmethod
    def read_report(body: bytes) -> DeliveryReport | None:
        """The delivery report in the body of a POST; None for what decides nothing."""

    @staticmethod
    def login(account: Account) -> Login:
        """The call that shows whether the account's login is right."""


def has_provider(name: str) -> bool:
    """Whether there is a file for this provider."""
    return name.isalnum() and find_spec(f"notifier.sms_{name}") is not None and _is_one(name)


def provider_class(name: str) -> type[SmsProvider]:
    """The class of a provider that there is."""
    found: type[SmsProvider] = import_module(f"notifier.sms_{name}").Provider
    return found


def _is_one(name: str) -> bool:
    return hasattr(import_module(f"notifier.sms_{name}"), "Provider")
