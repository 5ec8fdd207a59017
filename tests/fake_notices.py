"""The notices of a database that is not there: the rules of `NoticeStore`, in memory.

It passes the tests of the store (`tests/integration/test_notice_store.py`).
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count

from shared.booking.notices import Channel, Claim, Ending, Notice, NoticeStatus, Wanted

_REPORTABLE = (NoticeStatus.SENDING, NoticeStatus.ACCEPTED, NoticeStatus.UNCERTAIN)


@dataclass
class FakeNotices:
    """`recorded` holds every recorded result, in order."""

    clock: Callable[[], datetime]
    rows: dict[tuple[str, Channel], Notice] = field(default_factory=dict)
    patients: dict[str, str] = field(default_factory=dict)
    recorded: list[tuple[NoticeStatus, str, str | None]] = field(default_factory=list)
    claims: Iterator[int] = field(default_factory=count)

    def register(self, message_id: str, channel: Channel, patient: str) -> None:
        notice_id = f"notice-{message_id}-{channel}"
        notice = Notice(notice_id, message_id, channel, NoticeStatus.PENDING, self.clock())
        self.rows.setdefault((message_id, channel), notice)
        self.patients.setdefault(notice_id, patient)

    def claim(self, message_id: str, channel: Channel, patient: str) -> Claim | Notice:
        self.register(message_id, channel, patient)
        own = self.rows[message_id, channel]
        if own.status is not NoticeStatus.PENDING:
            return own
        claim_id = f"claim-{next(self.claims)}"
        taken = self._change(
            lambda row: (
                row.status is NoticeStatus.PENDING
                and (row.channel, self.patients[row.id]) == (channel, patient)
            ),
            NoticeStatus.SENDING,
            claim_id=claim_id,
        )
        since = self.rows[message_id, channel].since
        return Claim(claim_id, own.id, since, len(taken))

    def register_all(self, several: Sequence[Wanted]) -> None:
        for wanted in several:
            self.register(*wanted)

    def claim_all(self, several: Sequence[Wanted]) -> list[Claim | Notice]:
        return [self.claim(*wanted) for wanted in several]

    def record_results(self, several: Sequence[Ending]) -> None:
        for claim, status, detail, provider_id in several:
            self.record_result(claim, status, detail=detail, provider_id=provider_id)

    def suppress(self, message_id: str, channel: Channel, patient: str) -> bool:
        if (message_id, channel) in self.rows:
            row = self.rows[message_id, channel]
            return bool(
                self._change(
                    lambda each: each is row and row.status is NoticeStatus.PENDING,
                    NoticeStatus.SUPPRESSED,
                )
            )
        self.register(message_id, channel, patient)
        return self.suppress(message_id, channel, patient)

    def record_result(
        self,
        claim: Claim,
        status: NoticeStatus,
        *,
        detail: str = "",
        provider_id: str | None = None,
    ) -> None:
        self.recorded.append((status, detail, provider_id))
        open_to = {NoticeStatus.SENDING}
        if status is not NoticeStatus.PENDING:
            open_to.add(NoticeStatus.UNCERTAIN)
        self._change(
            lambda row: row.claim_id == claim.id and row.status in open_to,
            status,
            detail=detail,
            provider_id=provider_id,
        )

    def doubt(self, stale: Notice, detail: str) -> int:
        doubted = self._change(
            lambda row: row.claim_id == stale.claim_id and row.status is NoticeStatus.SENDING,
            NoticeStatus.UNCERTAIN,
            detail=detail,
        )
        return len(doubted)

    def withdraw(
        self, message_id: str, channels: Collection[Channel], detail: str
    ) -> Collection[Channel]:
        return self._change(
            lambda row: (
                row.message_id == message_id
                and row.channel in channels
                and row.status is NoticeStatus.PENDING
            ),
            NoticeStatus.WITHDRAWN,
            detail=detail,
        )

    def report(self, notice_id: str, status: NoticeStatus, provider_id: str) -> int:
        named = [row for row in self.rows.values() if row.id == notice_id and row.claim_id]
        known = {row.provider_id for row in self.rows.values()}
        if not named or provider_id in ("", notice_id):
            return 0
        reported = self._change(
            lambda row: (
                row.claim_id == named[0].claim_id
                and row.channel is Channel.SMS
                and row.status in _REPORTABLE
                and (
                    row.provider_id == provider_id
                    or (row.provider_id is None and provider_id not in known)
                )
            ),
            status,
            provider_id=provider_id,
        )
        return len(reported)

    def of_message(self, message_id: str) -> list[Notice]:
        found = [row for row in self.rows.values() if row.message_id == message_id]
        return sorted(found, key=lambda row: row.channel)

    def status(self, channel: Channel, message_id: str = "m") -> NoticeStatus:
        return self.rows[message_id, channel].status

    def _change(
        self, which: Callable[[Notice], bool], status: NoticeStatus, **more: str | None
    ) -> list[Channel]:
        """Let these notices become `status`; their channels."""
        changed = {key: row for key, row in self.rows.items() if which(row)}
        now = self.clock()
        for key, row in changed.items():
            self.rows[key] = replace(row, status=status, since=now, **more)  # type: ignore[arg-type]
        return [row.channel for row in changed.values()]
