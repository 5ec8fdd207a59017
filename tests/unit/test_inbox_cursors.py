"""Cursors are opaque, survive the way, and nothing else is taken for one."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.inbox_api import cursors
from shared.base.redaction import redact
from shared.store.inbox_reading import Position

places = st.builds(
    Position,
    st.datetimes(datetime(1970, 1, 1), datetime(5000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(0, 999_999_999),
    st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=40),
)


def refused(text: str) -> bool:
    with pytest.raises(ValueError, match="is no cursor of this list"):
        cursors.decode(text)
    return True


@given(places)
def test_a_cursor_leads_to_the_place_it_was_made_of(place: Position) -> None:
    cursor = cursors.encode(place)
    assert cursors.decode(cursor) == place
    assert len(cursor) <= cursors.LONGEST
    assert redact(cursor) == cursor


@given(st.text(max_size=150))
def test_any_other_text_is_refused_in_words(text: str) -> None:
    assert refused(text)


@given(st.binary(max_size=100))
def test_any_other_bytes_are_refused_in_words(content: bytes) -> None:
    assert refused(base64.urlsafe_b64encode(content).decode().rstrip("="))


@pytest.mark.parametrize("inside", ["1.1.", "1.1.a\x00", "-1.1.a", "1.1.a.b", "1e3.1.a", "²."])
def test_what_a_database_would_refuse_is_refused_before(inside: str) -> None:
    with pytest.raises(ValueError, match="is no cursor"):
        cursors.decode(base64.urlsafe_b64encode(inside.encode()).decode().rstrip("="))
