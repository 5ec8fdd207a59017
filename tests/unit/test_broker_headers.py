"""What the relay knows of a message survives its headers, and nonsense in them harms nobody."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.relay.broker import Aside, Envelope, Failure
from shared.relay.headers import dead_letter_from, from_headers, to_headers

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)
INSTANTS = st.datetimes(timezones=st.just(UTC))
FAILURES = st.builds(Failure, at=INSTANTS, stage=WORDS, reason=WORDS, error=WORDS, text=WORDS)
ENVELOPES = st.builds(
    Envelope,
    message_id=WORDS,
    body=st.binary(max_size=50),
    attempt=st.integers(1, 1000),
    not_before=st.none() | INSTANTS,
    delayed_at=st.none() | INSTANTS,
    history=st.lists(FAILURES, max_size=4).map(tuple),
    dead_reason=WORDS,
    dead_since=st.none() | INSTANTS,
    origin=WORDS,
    aside=st.none() | st.builds(Aside, at=INSTANTS, by=WORDS, note=WORDS),
)


@given(ENVELOPES, st.integers(0, 1000), WORDS)
def test_every_envelope_survives(fresh: Envelope, replays: int, run: str) -> None:
    """Only what was replayed belongs to a replay's run."""
    envelope = fresh._replace(replays=replays, run=run if replays else "")
    headers = to_headers(envelope)
    assert from_headers(envelope.message_id, headers, envelope.body) == envelope
    assert all(isinstance(value, str | int) for value in headers.values())


def test_a_fresh_message_travels_without_headers() -> None:
    assert to_headers(Envelope("a", b"body")) == {}


def test_an_envelope_does_not_show_its_body() -> None:
    assert "191212121212" not in f"{Envelope('a', b'191212121212')!r}"


@pytest.mark.parametrize("headers", [None, {}, {"x-death": [{"count": 3}], "x-delivery-count": 7}])
def test_headers_of_the_broker_do_not_count(headers: dict[str, object] | None) -> None:
    assert from_headers("a", headers, b"") == Envelope("a", b"")


@pytest.mark.parametrize("nonsense", ["", "x", "[{}]", "[1]", b"\xff", -5, 3.5, None, [], {"a": 1}])
def test_nonsense_counts_as_absent(nonsense: object) -> None:
    complete = Envelope(
        "a",
        b"",
        attempt=2,
        not_before=datetime(2026, 1, 1, tzinfo=UTC),
        delayed_at=datetime(2026, 1, 1, tzinfo=UTC),
        history=(Failure(at=datetime(2026, 1, 1, tzinfo=UTC), stage="filter", reason="bug"),),
        dead_since=datetime(2026, 1, 1, tzinfo=UTC),
        replays=1,
    )
    headers = dict.fromkeys(to_headers(complete), nonsense)
    assert from_headers("a", headers, b"") == Envelope("a", b"")


def test_a_time_without_a_zone_counts_as_absent() -> None:
    headers = {"budkavle-not-before": "2026-01-01T00:00:00"}
    assert from_headers("a", headers, b"").not_before is None


def test_a_letter_that_bears_no_reason_was_buried_by_the_broker() -> None:
    letter = dead_letter_from("a", None, b"", "fetcher")
    assert (letter.dead_reason, letter.origin) == ("delivery_limit", "fetcher")


def test_a_replayed_message_that_the_broker_buries_says_where_it_lies_now() -> None:
    headers = to_headers(Envelope("a", b"", origin="filter", replays=1))
    letter = dead_letter_from("a", headers, b"", "fetcher")
    assert (letter.dead_reason, letter.origin, letter.replays) == ("delivery_limit", "fetcher", 1)


def test_a_letter_of_ours_keeps_its_reason() -> None:
    ours = Envelope("a", b"", dead_reason="undecodable", origin="filter")
    assert dead_letter_from("a", to_headers(ours), b"", "filter") == ours
