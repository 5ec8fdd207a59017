"""`budkavle bounce`: takes in what mail servers report of notices by e-mail."""

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import structlog
import typer

from console.delivery_status import (
    LARGEST,
    Action,
    DeliveryStatus,
    Unreadable,
    read_delivery_status,
)
from console.exits import ExitCode, Refused
from console.opening import opened_database
from console.output import AsJson, print_json, say
from console.settings import OperatorSettings
from shared.booking.notices import Channel, NoticeStatus
from shared.store.actions import ActionLog
from shared.store.bounces import Bounced, Bounces
from shared.store.engine import Database

log = structlog.get_logger()

_STATUS = {Action.FAILED: NoticeStatus.FAILED, Action.DELIVERED: NoticeStatus.DELIVERED}


def register(app: typer.Typer) -> None:
    app.command("bounce")(bounce)


def bounce(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Mails, one a file. None: standard input."),
    ] = None,
    *,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep there what could not be read, or is about no notice of ours.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take in delivery status notifications (RFC 3464) of notices by e-mail.

    A failed notice is `failed`. An address that has failed for good so often as
    BUDKAVLE_BOUNCES_TO_SUPPRESS says is suppressed: nothing is sent there until it is set again.
    Repeating a mail changes nothing. Exit code 1: some mail was not taken in.
    """
    with opened_database() as database:
        inbound = _Inbound(database, keep)
        for name, mail in _mails(files or []):
            inbound.take(name, mail)
    if as_json:
        print_json(inbound.counts)
    else:
        say(", ".join(f"{number} {what}" for what, number in inbound.counts.items()) or "No mail.")
    if inbound.trouble:
        raise Refused(inbound.trouble, ExitCode.NOTHING_FOUND)


def _mails(files: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Raises `typer.BadParameter` for what cannot be opened."""
    if not files:
        yield "standard input", sys.stdin.buffer.read(LARGEST + 1)
    for path in files:
        try:
            with path.open("rb") as mail:
                yield str(path), mail.read(LARGEST + 1)
        except OSError as error:
            raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="FILE") from None


class _Inbound:
    """Takes mails in one by one. `trouble` is why the first that it did not take was not."""

    def __init__(self, database: Database, keep: Path | None) -> None:
        self._bounces = Bounces(database, OperatorSettings().bounces_to_suppress)
        self._actions = ActionLog(database)
        self._keep = keep
        self.counts: Counter[str] = Counter()
        self.trouble = ""

    def take(self, name: str, mail: bytes) -> None:
        try:
            status = read_delivery_status(mail)
            self._report(status, self._record(status))
        except Unreadable as error:
            self._refuse(name, mail, str(error))

    def _record(self, status: DeliveryStatus) -> Bounced | None:
        """None for what is not the end of a mail. Raises `Unreadable` when it is not of ours."""
        if status.action not in _STATUS:
            return None
        bounced = self._bounces.record(
            status.notice_ids,
            _STATUS[status.action],
            status.code,
            counts=status.is_about_the_address,
        )
        if bounced is None:
            raise Unreadable("it is about no notice of ours")
        return bounced

    def _report(self, status: DeliveryStatus, bounced: Bounced | None) -> None:
        if bounced is None:
            self.counts["not final"] += 1
            return
        self.counts[str(status.action) if bounced.notices else "known before"] += 1
        log.info(
            "bounce", notice=bounced.notice_id, action=status.action, code=status.code,
            notices=bounced.notices, bounces=bounced.bounces,
        )  # fmt: skip
        if bounced.suppressed:
            self._report_suppressed(status, bounced)

    def _report_suppressed(self, status: DeliveryStatus, bounced: Bounced) -> None:
        self.counts["suppressed"] += 1
        log.warning(
            "address_suppressed", channel=Channel.EMAIL, notice=bounced.notice_id,
            code=status.code, bounces=bounced.bounces,
        )  # fmt: skip
        self._actions.record(
            "contact suppress",
            by="budkavle bounce",
            subject=f"the address of notice {bounced.notice_id}",
            why=f"bounced {bounced.bounces} times, last {status.code}",
            outcome="suppressed",
        )

    def _refuse(self, name: str, mail: bytes, why: str) -> None:
        self.counts["not taken in"] += 1
        kept = f"; kept as {self._keep_mail(mail)}" if self._keep else ""
        log.warning("bounce_not_taken", reason=why, kept=bool(self._keep))
        self.trouble = self.trouble or f"{name}: {why}{kept}"

    def _keep_mail(self, mail: bytes) -> Path:
        """Under the digest of what it says: a mail that comes again is kept once."""
        assert self._keep is not None  # noqa: S101 - `_refuse` asked
        self._keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._keep / f"{hashlib.sha256(mail).hexdigest()[:32]}.eml"
        path.touch(mode=0o600)
        path.write_bytes(mail)
        return path
