"""Notices on both databases: who may send, and what is remembered of it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Barrier

import pytest
from sqlalchemy import select

from shared.booking.notices import Channel, Claim, Notice, NoticeStatus
from shared.store.engine import Database, DatabaseUnavailable, open_database
from shared.store.migrate import migrate
from shared.store.notices import NoticeStore
from shared.store.tables import notice

NOON = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    migrate(database_url)
    opened = open_database(database_url, pool_size=8)
    yield opened
    opened.close()


@pytest.fixture
def notices(database: Database) -> NoticeStore:
    ticks = count()
    return NoticeStore(database, clock=lambda: NOON + timedelta(milliseconds=next(ticks)))


def claimed(notices: NoticeStore, channel: Channel = Channel.SMS) -> Claim:
    claim = notices.claim("m", channel)
    assert isinstance(claim, Claim)
    return claim


def standing(notices: NoticeStore) -> Notice:
    found = notices.claim("m", Channel.SMS)
    assert isinstance(found, Notice)
    return found


def test_a_notice_is_claimed_once_on_each_channel(notices: NoticeStore) -> None:
    claim = claimed(notices)
    assert standing(notices) == Notice(
        claim.notice_id, "m", Channel.SMS, NoticeStatus.SENDING, claim.at
    )
    claimed(notices, Channel.EMAIL)
    assert [found.channel for found in notices.of_message("m")] == [Channel.EMAIL, Channel.SMS]


@pytest.mark.parametrize(
    "status", [NoticeStatus.ACCEPTED, NoticeStatus.REJECTED, NoticeStatus.UNCERTAIN]
)
def test_what_is_settled_is_not_claimed_again(notices: NoticeStore, status: NoticeStatus) -> None:
    notices.settle(claimed(notices), status)
    assert standing(notices).status is status


def test_what_is_given_back_is_claimed_again_under_the_same_id(notices: NoticeStore) -> None:
    first = claimed(notices)
    notices.settle(first, NoticeStatus.PENDING, detail="SMTP 421")
    second = claimed(notices)
    assert second.notice_id == first.notice_id
    assert second.at > first.at


def test_a_claim_that_was_given_back_settles_nothing_more(notices: NoticeStore) -> None:
    """As when the answer to its first settling was lost, and another worker is at it by now."""
    first = claimed(notices)
    notices.settle(first, NoticeStatus.PENDING)
    claimed(notices)
    notices.settle(first, NoticeStatus.PENDING)
    assert standing(notices).status is NoticeStatus.SENDING


def test_only_what_is_still_being_sent_is_doubted(notices: NoticeStore) -> None:
    claim = claimed(notices)
    seen = standing(notices)
    notices.settle(claim, NoticeStatus.PENDING)
    claimed(notices)
    assert not notices.doubt(seen, "its sender died")
    assert notices.doubt(standing(notices), "its sender died")
    assert standing(notices).status is NoticeStatus.UNCERTAIN


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        (NoticeStatus.ACCEPTED, NoticeStatus.ACCEPTED),
        (NoticeStatus.REJECTED, NoticeStatus.REJECTED),
        (NoticeStatus.PENDING, NoticeStatus.UNCERTAIN),
    ],
)
def test_a_sender_slower_than_anyone_believed_is_heard_but_sends_no_more(
    notices: NoticeStore, said: NoticeStatus, stands: NoticeStatus
) -> None:
    claim = claimed(notices)
    notices.doubt(standing(notices), "its sender died")
    notices.settle(claim, said)
    assert standing(notices).status is stands


@pytest.mark.parametrize("reported", [NoticeStatus.DELIVERED, NoticeStatus.FAILED])
@pytest.mark.parametrize("before", [NoticeStatus.ACCEPTED, NoticeStatus.UNCERTAIN])
def test_a_report_settles_what_was_sent_or_uncertain(
    notices: NoticeStore, before: NoticeStatus, reported: NoticeStatus
) -> None:
    claim = claimed(notices)
    notices.settle(claim, before)
    assert notices.report(claim.notice_id, reported, "s1")
    assert not notices.report(claim.notice_id, NoticeStatus.FAILED, "s1")
    assert standing(notices).status is reported


def test_a_report_that_overtakes_the_answer_stands(notices: NoticeStore) -> None:
    claim = claimed(notices)
    assert notices.report(claim.notice_id, NoticeStatus.DELIVERED, "s1")
    notices.settle(claim, NoticeStatus.ACCEPTED, provider_id="s1")
    assert standing(notices).status is NoticeStatus.DELIVERED


def test_a_report_about_nothing_changes_nothing(notices: NoticeStore) -> None:
    assert not notices.report("unknown", NoticeStatus.DELIVERED, "s1")
    assert notices.tally() == {}


class TestWhatAReportMayChange:
    def sent(self, notices: NoticeStore, channel: Channel = Channel.SMS) -> str:
        claim = claimed(notices, channel)
        notices.settle(claim, NoticeStatus.ACCEPTED, provider_id=f"s-{channel}")
        return claim.notice_id

    def test_the_notice_whose_provider_id_it_names(self, notices: NoticeStore) -> None:
        notice_id = self.sent(notices)
        assert not notices.report(notice_id, NoticeStatus.FAILED, "s-other")
        assert not notices.report(notice_id, NoticeStatus.FAILED, "")
        assert notices.report(notice_id, NoticeStatus.DELIVERED, "s-sms")
        assert standing(notices).provider_id == "s-sms"

    def test_never_an_e_mail(self, notices: NoticeStore) -> None:
        notice_id = self.sent(notices, Channel.EMAIL)
        assert not notices.report(notice_id, NoticeStatus.FAILED, "s-email")

    def test_never_by_our_own_id(self, notices: NoticeStore) -> None:
        claim = claimed(notices)
        notices.settle(claim, NoticeStatus.UNCERTAIN)
        assert not notices.report(claim.notice_id, NoticeStatus.FAILED, claim.notice_id)
        assert standing(notices).status is NoticeStatus.UNCERTAIN

    def test_an_id_that_is_another_notices_is_not_adopted(self, notices: NoticeStore) -> None:
        self.sent(notices)
        other = notices.claim("other", Channel.SMS)
        assert isinstance(other, Claim)
        assert not notices.report(other.notice_id, NoticeStatus.DELIVERED, "s-sms")
        assert notices.report(other.notice_id, NoticeStatus.DELIVERED, "s-2")


@pytest.mark.parametrize(
    ("given", "kept"), [("s70df59406a", "s70df59406a"), ("x" * 101, None), ("a\x00b", None)]
)
def test_a_provider_id_from_outside_is_kept_if_it_can_be_one(
    database: Database, notices: NoticeStore, given: str, kept: str | None
) -> None:
    notices.settle(claimed(notices), NoticeStatus.ACCEPTED, provider_id=given, detail="d" * 300)
    with database.begin() as connection:
        row = connection.execute(select(notice)).one()
    assert (row.provider_id, len(row.detail)) == (kept, 200)


def test_the_tally_counts_by_channel_and_status(notices: NoticeStore) -> None:
    notices.settle(claimed(notices), NoticeStatus.ACCEPTED)
    notices.claim("other", Channel.SMS)
    claimed(notices, Channel.EMAIL)
    assert notices.tally() == {
        (Channel.SMS, NoticeStatus.ACCEPTED): 1,
        (Channel.SMS, NoticeStatus.SENDING): 1,
        (Channel.EMAIL, NoticeStatus.SENDING): 1,
    }


@pytest.mark.parametrize("given_back", [False, True])
def test_of_many_that_claim_at_once_one_does(notices: NoticeStore, given_back: bool) -> None:
    if given_back:
        notices.settle(claimed(notices), NoticeStatus.PENDING)
    start = Barrier(8)

    def race(_number: int) -> Claim | Notice:
        start.wait()
        return notices.claim("m", Channel.SMS)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(race, range(8)))
    assert sum(isinstance(claim, Claim) for claim in found) == 1


def test_settling_outlasts_a_short_outage(database: Database) -> None:
    notices = NoticeStore(database)
    claim = claimed(notices)
    begin, outages = database.begin, iter([True, True])

    def away_at_first():  # type: ignore[no-untyped-def]
        if next(outages, False):
            raise DatabaseUnavailable("OperationalError")
        return begin()

    database.single = away_at_first  # type: ignore[method-assign]
    notices.settle(claim, NoticeStatus.ACCEPTED)
    assert standing(notices).status is NoticeStatus.ACCEPTED


def test_settling_gives_up_after_a_while(database: Database) -> None:
    notices = NoticeStore(database, patience=timedelta(0))
    claim = claimed(notices)

    def away() -> None:
        raise DatabaseUnavailable("OperationalError")

    database.single = away  # type: ignore[method-assign, assignment]
    with pytest.raises(DatabaseUnavailable):
        notices.settle(claim, NoticeStatus.ACCEPTED)
