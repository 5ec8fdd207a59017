"""A reply that is too long: its beginning and its end are kept, and can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.booking_replies import open_reply, timeslot_of
from fetcher.reply_bytes import ReplyBytes
from tests.booking_samples import reply


def kept(content: bytes, most: int, piece: int = 1000) -> bytes:
    reply_bytes = ReplyBytes(most)
    for start in range(0, len(content), piece):
        reply_bytes.take(content[start : start + piece])
    return reply_bytes.kept()


@given(st.binary(max_size=200), st.integers(1, 40), st.integers(2, 100))
def test_what_fits_is_whole_and_what_does_not_is_bounded(
    content: bytes, piece: int, most: int
) -> None:
    found = kept(content, most, piece)
    assert len(found) <= most
    if len(content) <= most:
        assert found == content


@pytest.mark.parametrize(
    "word", ["Fasta. ", "&lt;para&gt;Fasta.&lt;/para&gt;", "åäö ", "x", "&#229;"]
)
@pytest.mark.parametrize("piece", [777, 100_000])
def test_time_and_place_are_read_around_a_text_without_end(word: str, piece: int) -> None:
    text = word * (3_000_000 // len(word))
    timeslot = (
        "<c:startTimeInclusive>20261203090000</c:startTimeInclusive>"
        "<c:bookingId>B-1</c:bookingId><c:subject_of_care>191212121212</c:subject_of_care>"
        f"<c:purpose>{text}</c:purpose>"
        "<c:healthcare_facility_name>Vårdcentralen Åsen</c:healthcare_facility_name>"
    )
    content = kept(reply(timeslot), 100_000, piece)
    found = timeslot_of(open_reply(content, max_bytes=100_000, encoding=None))
    assert found is not None
    assert found.patient == "191212121212"
    assert found.details.starts == "20261203090000"
    assert found.details.unit_name == "Vårdcentralen Åsen"
    assert len(found.details.purpose) > 10_000
