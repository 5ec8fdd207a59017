"""Notices on both databases: races, outages, and what is kept of values from outside."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Barrier

import pytest
from sqlalchemy import bindparam, select, text

from shared.booking.notices import Channel, Claim, Ending, Notice, NoticeStatus, Wanted
from shared.store.engine import Database, DatabaseUnavailable
from shared.store.notice_statements import claim_all
from shared.store.notices import NoticeStore
from shared.store.statements import rows_json
from shared.store.tables import Instant, notice

NOON = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)
TOLVAN, BO = "191212121212", "201212121212"


def claimed(notices: NoticeStore, channel: Channel = Channel.SMS) -> Claim:
    claim = notices.claim("m", channel, TOLVAN)
    assert isinstance(claim, Claim)
    return claim


def standing(notices: NoticeStore) -> Notice:
    found = notices.claim("m", Channel.SMS, TOLVAN)
    assert isinstance(found, Notice)
    return found


@pytest.fixture
def notices(database: Database) -> NoticeStore:
    ticks = count()
    return NoticeStore(database, clock=lambda: NOON + timedelta(milliseconds=next(ticks)))


def test_a_report_about_nothing_changes_nothing(notices: NoticeStore) -> None:
    assert not notices.report("unknown", NoticeStatus.DELIVERED, "s1")
    assert notices.tally() == {}


@pytest.mark.parametrize(
    ("given", "kept"), [("s70df59406a", "s70df59406a"), ("x" * 101, None), ("a\x00b", None)]
)
def test_a_provider_id_from_outside_is_kept_if_it_can_be_one(
    database: Database, notices: NoticeStore, given: str, kept: str | None
) -> None:
    notices.record_result(
        claimed(notices), NoticeStatus.ACCEPTED, provider_id=given, detail="d" * 300
    )
    with database.begin() as connection:
        row = connection.execute(select(notice)).one()
    assert (row.provider_id, len(row.detail)) == (kept, 200)


def test_the_tally_counts_by_channel_and_status(notices: NoticeStore) -> None:
    notices.record_result(claimed(notices), NoticeStatus.ACCEPTED)
    notices.claim("other", Channel.SMS, BO)
    claimed(notices, Channel.EMAIL)
    assert notices.tally() == {
        (Channel.SMS, NoticeStatus.ACCEPTED): 1,
        (Channel.SMS, NoticeStatus.SENDING): 1,
        (Channel.EMAIL, NoticeStatus.SENDING): 1,
    }


@pytest.mark.parametrize("given_back", [False, True])
def test_of_many_that_claim_at_once_one_does(notices: NoticeStore, given_back: bool) -> None:
    if given_back:
        notices.record_result(claimed(notices), NoticeStatus.PENDING)
    start = Barrier(8)

    def race(_number: int) -> Claim | Notice:
        start.wait()
        return notices.claim("m", Channel.SMS, TOLVAN)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(race, range(8)))
    assert sum(isinstance(claim, Claim) for claim in found) == 1


def test_recording_outlasts_a_short_outage(database: Database) -> None:
    notices = NoticeStore(database)
    claim = claimed(notices)
    begin, outages = database.begin, iter([True, True])

    def away_at_first():  # type: ignore[no-untyped-def]
        if next(outages, False):
            raise DatabaseUnavailable("OperationalError")
        return begin()

    database.single = away_at_first  # type: ignore[method-assign]
    notices.record_result(claim, NoticeStatus.ACCEPTED)
    assert standing(notices).status is NoticeStatus.ACCEPTED


def test_recording_gives_up_after_a_while(database: Database) -> None:
    notices = NoticeStore(database, patience=timedelta(0))
    claim = claimed(notices)

    def away() -> None:
        raise DatabaseUnavailable("OperationalError")

    database.single = away  # type: ignore[method-assign, assignment]
    with pytest.raises(DatabaseUnavailable):
        notices.record_result(claim, NoticeStatus.ACCEPTED)


def test_of_many_that_claim_what_waits_together_each_notice_is_claimed_once(
    notices: NoticeStore,
) -> None:
    """Each by an order of its own, while further notices of the patient are registered."""
    ids = [f"m{number}" for number in range(8)]
    start = Barrier(8)

    def race(message_id: str) -> Claim | Notice:
        notices.register(message_id, Channel.SMS, TOLVAN)
        start.wait()
        return notices.claim(message_id, Channel.SMS, TOLVAN)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(race, ids))
    claims = [one for one in found if isinstance(one, Claim)]
    assert sum(claim.count for claim in claims) == 8
    assert len({claim.id for claim in claims}) == len(claims)


def test_several_are_claimed_and_ended_at_once(notices: NoticeStore) -> None:
    """Of some a claim, of another how it stands, and one that nobody registered."""
    notices.register_all([Wanted("a", Channel.SMS, TOLVAN), Wanted("b", Channel.SMS, TOLVAN)])
    notices.register("sent", Channel.EMAIL, TOLVAN)
    earlier = notices.claim("sent", Channel.EMAIL, TOLVAN)
    assert isinstance(earlier, Claim)
    several = [
        Wanted("a", Channel.SMS, TOLVAN),
        Wanted("sent", Channel.EMAIL, TOLVAN),
        Wanted("c", Channel.SMS, BO),
    ]
    first, standing, new = notices.claim_all(several)
    assert isinstance(first, Claim)
    assert isinstance(new, Claim)
    assert isinstance(standing, Notice)
    assert (first.count, new.count, standing.claim_id) == (2, 1, earlier.id)
    ends = [
        Ending(first, NoticeStatus.ACCEPTED, provider_id="s1"),
        Ending(new, NoticeStatus.PENDING, "HTTP 503"),
    ]
    notices.record_results(ends)
    [a], [b], [c] = (notices.of_message(message_id) for message_id in "abc")
    assert [(each.status, each.provider_id) for each in (a, b)] == [
        (NoticeStatus.ACCEPTED, "s1")
    ] * 2
    assert (c.status, c.detail) == (NoticeStatus.PENDING, "HTTP 503")
    [claim] = notices.claim_all([Wanted("c", Channel.SMS, BO)])
    assert isinstance(claim, Claim)


def test_no_person_number_stands_in_the_table(database: Database, notices: NoticeStore) -> None:
    claimed(notices)
    with database.begin() as connection:
        assert TOLVAN not in str(connection.execute(select(notice)).one())


def test_a_claim_does_not_look_at_what_waits_for_others(database: Database) -> None:
    """After quiet hours that is everybody's, and the database knows little of it yet."""
    if database.engine.dialect.name != "postgresql":
        pytest.skip("asks PostgreSQL for its plan")
    with database.begin() as connection:
        row = {"claim_id": "c", "message_id": "m", "channel": "sms", "recipient": "r"}
        values = {"rows": rows_json([row] * 8), "now": NOON}
        explain = text(f"EXPLAIN {claim_all('postgresql')}").bindparams(
            bindparam("now", type_=Instant())
        )
        plan = connection.execute(explain, values).scalars().all()
    assert "ix_notice_recipient" in str(plan)
    assert "ix_notice_status" not in str(plan)
