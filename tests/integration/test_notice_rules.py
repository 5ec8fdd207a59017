"""What holds for notices, whoever keeps them: the store on both databases, and the fake of it that
the handler's tests lean on.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from shared.booking.notices import Channel, Claim, Notice, NoticeStatus
from shared.store.engine import open_database
from shared.store.migrate import migrate
from shared.store.notices import NoticeStore
from tests.fake_notices import FakeNotices

NOON = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)
TOLVAN, BO = "191212121212", "201212121212"

AllNotices = NoticeStore | FakeNotices


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
def notices(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AllNotices]:
    """Notices on a clock that never stands still."""
    ticks = count()

    def clock() -> datetime:
        return NOON + timedelta(milliseconds=next(ticks))

    if request.param == "fake":
        yield FakeNotices(clock)
        return
    url = f"sqlite:///{tmp_path / 'budkavle.sqlite3'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    migrate(url)
    database = open_database(url)
    yield NoticeStore(database, clock)
    database.close()


def claimed(
    notices: AllNotices,
    channel: Channel = Channel.SMS,
    message_id: str = "m",
    patient: str = TOLVAN,
) -> Claim:
    claim = notices.claim(message_id, channel, patient)
    assert isinstance(claim, Claim)
    return claim


def standing(notices: AllNotices, message_id: str = "m") -> Notice:
    found = notices.claim(message_id, Channel.SMS, TOLVAN)
    assert isinstance(found, Notice)
    return found


def test_a_notice_is_claimed_once_on_each_channel(notices: AllNotices) -> None:
    claim = claimed(notices)
    assert standing(notices) == Notice(
        claim.notice_id, "m", Channel.SMS, NoticeStatus.SENDING, claim.at, claim_id=claim.id
    )
    claimed(notices, Channel.EMAIL)
    assert [found.channel for found in notices.of_message("m")] == [Channel.EMAIL, Channel.SMS]


@pytest.mark.parametrize(
    "status", [NoticeStatus.ACCEPTED, NoticeStatus.REJECTED, NoticeStatus.UNCERTAIN]
)
def test_what_is_recorded_is_not_claimed_again(notices: AllNotices, status: NoticeStatus) -> None:
    notices.record_result(claimed(notices), status)
    assert standing(notices).status is status


def test_what_is_given_back_is_claimed_again_under_the_same_id(notices: AllNotices) -> None:
    first = claimed(notices)
    notices.record_result(first, NoticeStatus.PENDING, detail="SMTP 421")
    second = claimed(notices)
    assert second.notice_id == first.notice_id
    assert second.at > first.at


def test_a_claim_that_was_given_back_records_nothing_more(notices: AllNotices) -> None:
    """As when the answer to its first recording was lost, and another worker is at it by now."""
    first = claimed(notices)
    notices.record_result(first, NoticeStatus.PENDING)
    claimed(notices)
    notices.record_result(first, NoticeStatus.PENDING)
    assert standing(notices).status is NoticeStatus.SENDING


def test_only_what_is_still_being_sent_is_doubted(notices: AllNotices) -> None:
    claim = claimed(notices)
    seen = standing(notices)
    notices.record_result(claim, NoticeStatus.PENDING)
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
    notices: AllNotices, said: NoticeStatus, stands: NoticeStatus
) -> None:
    claim = claimed(notices)
    notices.doubt(standing(notices), "its sender died")
    notices.record_result(claim, said)
    assert standing(notices).status is stands


@pytest.mark.parametrize("reported", [NoticeStatus.DELIVERED, NoticeStatus.FAILED])
@pytest.mark.parametrize("before", [NoticeStatus.ACCEPTED, NoticeStatus.UNCERTAIN])
def test_a_report_decides_what_was_sent_or_uncertain(
    notices: AllNotices, before: NoticeStatus, reported: NoticeStatus
) -> None:
    claim = claimed(notices)
    notices.record_result(claim, before)
    assert notices.report(claim.notice_id, reported, "s1")
    assert not notices.report(claim.notice_id, NoticeStatus.FAILED, "s1")
    assert standing(notices).status is reported


def test_a_report_that_overtakes_the_answer_stands(notices: AllNotices) -> None:
    claim = claimed(notices)
    assert notices.report(claim.notice_id, NoticeStatus.DELIVERED, "s1")
    notices.record_result(claim, NoticeStatus.ACCEPTED, provider_id="s1")
    assert standing(notices).status is NoticeStatus.DELIVERED


class TestWhatAReportMayChange:
    def sent(self, notices: AllNotices, channel: Channel = Channel.SMS) -> str:
        claim = claimed(notices, channel)
        notices.record_result(claim, NoticeStatus.ACCEPTED, provider_id=f"s-{channel}")
        return claim.notice_id

    def test_the_notice_whose_provider_id_it_names(self, notices: AllNotices) -> None:
        notice_id = self.sent(notices)
        assert not notices.report(notice_id, NoticeStatus.FAILED, "s-other")
        assert not notices.report(notice_id, NoticeStatus.FAILED, "")
        assert notices.report(notice_id, NoticeStatus.DELIVERED, "s-sms")
        assert standing(notices).provider_id == "s-sms"

    def test_never_an_e_mail(self, notices: AllNotices) -> None:
        notice_id = self.sent(notices, Channel.EMAIL)
        assert not notices.report(notice_id, NoticeStatus.FAILED, "s-email")

    def test_never_by_our_own_id(self, notices: AllNotices) -> None:
        claim = claimed(notices)
        notices.record_result(claim, NoticeStatus.UNCERTAIN)
        assert not notices.report(claim.notice_id, NoticeStatus.FAILED, claim.notice_id)
        assert standing(notices).status is NoticeStatus.UNCERTAIN

    def test_an_id_that_is_another_notices_is_not_adopted(self, notices: AllNotices) -> None:
        self.sent(notices)
        other = notices.claim("other", Channel.SMS, BO)
        assert isinstance(other, Claim)
        assert not notices.report(other.notice_id, NoticeStatus.DELIVERED, "s-sms")
        assert notices.report(other.notice_id, NoticeStatus.DELIVERED, "s-2")


class TestSeveralToOnePatient:
    """What waits for one patient on one channel goes out as one."""

    @pytest.fixture(autouse=True)
    def three_wait(self, notices: AllNotices) -> None:
        for message_id in ("m", "m2", "m3"):
            notices.register(message_id, Channel.SMS, TOLVAN)

    def statuses(self, notices: AllNotices) -> set[NoticeStatus]:
        found = [notices.of_message(message_id) for message_id in ("m", "m2", "m3")]
        return {one.status for notice in found for one in notice if one.channel is Channel.SMS}

    def test_is_one_claim_in_the_name_of_the_one_that_was_asked_for(
        self, notices: AllNotices
    ) -> None:
        claim = claimed(notices, message_id="m2")
        assert claim.count == 3
        [own] = notices.of_message("m2")
        assert claim.notice_id == own.id
        assert self.statuses(notices) == {NoticeStatus.SENDING}

    def test_no_notice_of_another_patient_or_channel_is_among_them(
        self, notices: AllNotices
    ) -> None:
        notices.register("m", Channel.EMAIL, TOLVAN)
        notices.register("other", Channel.SMS, BO)
        assert claimed(notices).count == 3
        assert [one.status for one in notices.of_message("other")] == [NoticeStatus.PENDING]
        assert claimed(notices, Channel.EMAIL).count == 1

    def test_registering_again_changes_nothing(self, notices: AllNotices) -> None:
        claim = claimed(notices)
        notices.register("m", Channel.SMS, TOLVAN)
        assert standing(notices).claim_id == claim.id

    def test_one_that_comes_later_has_a_claim_of_its_own(self, notices: AllNotices) -> None:
        first = claimed(notices)
        notices.register("m4", Channel.SMS, TOLVAN)
        second = claimed(notices, message_id="m4")
        assert (first.count, second.count) == (3, 1)
        notices.record_result(second, NoticeStatus.REJECTED)
        assert self.statuses(notices) == {NoticeStatus.SENDING}

    @pytest.mark.parametrize(
        "status", [NoticeStatus.ACCEPTED, NoticeStatus.UNCERTAIN, NoticeStatus.PENDING]
    )
    def test_all_share_what_comes_of_it(self, notices: AllNotices, status: NoticeStatus) -> None:
        notices.record_result(claimed(notices), status, detail="said")
        assert self.statuses(notices) == {status}

    def test_all_are_doubted_when_their_sender_died(self, notices: AllNotices) -> None:
        claimed(notices)
        assert notices.doubt(standing(notices, "m3"), "its sender died") == 3
        assert notices.doubt(standing(notices), "its sender died") == 0
        assert self.statuses(notices) == {NoticeStatus.UNCERTAIN}

    def test_a_report_is_about_all_of_them(self, notices: AllNotices) -> None:
        claim = claimed(notices)
        notices.record_result(claim, NoticeStatus.ACCEPTED, provider_id="s1")
        assert notices.report(claim.notice_id, NoticeStatus.DELIVERED, "s1") == 3
        assert self.statuses(notices) == {NoticeStatus.DELIVERED}

    def test_one_that_was_given_back_is_not_told_by_the_next_claim_of_the_others(
        self, notices: AllNotices
    ) -> None:
        """The sender was slow, "m3" was doubted meanwhile; then nothing had been taken."""
        first = claimed(notices)
        notices.doubt(standing(notices), "its sender died")
        notices.record_result(first, NoticeStatus.PENDING)
        notices.register("m4", Channel.SMS, TOLVAN)
        second = claimed(notices, message_id="m4")
        notices.record_result(second, NoticeStatus.ACCEPTED)
        assert self.statuses(notices) == {NoticeStatus.UNCERTAIN}


class TestWithdrawing:
    def test_ends_what_waits_and_nothing_else(self, notices: AllNotices) -> None:
        notices.register("m", Channel.EMAIL, TOLVAN)
        claimed(notices)
        both = list(Channel)
        assert list(notices.withdraw("m", both, "not_wanted")) == [Channel.EMAIL]
        assert list(notices.withdraw("m", both, "not_wanted")) == []
        assert [one.status for one in notices.of_message("m")] == [
            NoticeStatus.WITHDRAWN,
            NoticeStatus.SENDING,
        ]

    def test_is_for_good(self, notices: AllNotices) -> None:
        notices.register("m", Channel.SMS, TOLVAN)
        notices.withdraw("m", [Channel.SMS], "not_wanted")
        assert standing(notices).status is NoticeStatus.WITHDRAWN
        assert standing(notices).detail == "not_wanted"

    def test_takes_no_part_in_a_claim(self, notices: AllNotices) -> None:
        notices.register("m", Channel.SMS, TOLVAN)
        notices.register("m2", Channel.SMS, TOLVAN)
        notices.withdraw("m", [Channel.SMS], "expired")
        assert claimed(notices, message_id="m2").count == 1
