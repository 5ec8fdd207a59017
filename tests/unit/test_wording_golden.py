"""Every message in every situation, word for word.

`tests/unit/golden/` holds what patients read. After a wanted change of wording, write it anew with

    BUDKAVLE_RENEW_GOLDEN=1 .venv/bin/pytest tests/unit/test_wording_golden.py

and read the difference before it is committed.
"""

import os
from pathlib import Path

import pytest

from composer.samples import SAMPLES, Sample
from composer.wording import Wording
from shared.booking.inbox import MessageKind
from tests.unit.composer_world import CALL, LATER, OPEN_CALL, OTHER_UNIT, VISIT, but

GOLDEN = Path(__file__).parent / "golden"
CASES = {
    **SAMPLES,
    "booking_nothing_allowed": Sample(
        MessageKind.BOOKING_CONFIRMATION,
        but(VISIT, cancel_allowed=None, rebook_allowed=None, performer_name="", care_type_name=""),
    ),
    "booking_only_rebooking": Sample(
        MessageKind.BOOKING_CONFIRMATION,
        but(VISIT, cancel_allowed=False, performer_name="", resource_name="Rum 4"),
    ),
    "booking_only_cancelling": Sample(
        MessageKind.BOOKING_CONFIRMATION, but(VISIT, rebook_allowed=False, ends="")
    ),
    "booking_unit_without_name": Sample(
        MessageKind.BOOKING_CONFIRMATION, but(VISIT, unit_name="", performer_name="")
    ),
    "booking_unit_named_by_its_id": Sample(
        MessageKind.BOOKING_CONFIRMATION, but(VISIT, unit_name=VISIT.unit)
    ),
    "booking_names_that_name_nothing": Sample(
        MessageKind.BOOKING_CONFIRMATION,
        but(
            VISIT,
            unit_name=VISIT.unit.lower(),
            performer_name="SE2321000016-AB12",
            resource_name="(SE2321000016-AB13)",
            time_type_name="SE2321000016-1AB2",
            care_type_name="-",
        ),
    ),
    "booking_kind_named_twice": Sample(
        MessageKind.BOOKING_CONFIRMATION,
        but(VISIT, performer_name=".", time_type_name="Nybesök", care_type_name="nybesök "),
    ),
    "booking_names_with_markup": Sample(
        MessageKind.BOOKING_CONFIRMATION,
        but(
            VISIT,
            unit_name="Vård &amp; Omsorg<br/>Åsen",
            performer_name="<b>Anna</b> & Co &lt;i&gt;läkare&lt;/i&gt;",
            time_type_name="Grupp <Norr>, ålder 2<5 &amp;amp; AT&T;",
        ),
    ),
    "booking_purpose_of_any_markup": Sample(
        MessageKind.BOOKING_CONFIRMATION,
        but(
            VISIT,
            purpose="<h1>Före</h1><div>Ta 2<br>500 mg</div><table><tr><th>Antal</th><th>Styrka</th>"
            "</tr><tr><td>2</td><td>500 mg</td></tr></table><pre>kl. 8\n  kl. 9</pre>10<sup>6</sup>"
            "<ol><li>Fasta & vila<hittapå>2</hittapå>500</li></ol>",
        ),
    ),
    "booking_purpose_that_cannot_be_parsed": Sample(
        MessageKind.BOOKING_CONFIRMATION,
        but(VISIT, purpose="<p>Ta <b>2</b></div><td>500 mg<td>10<sup>6</sup></p>"),
    ),
    "booking_in_the_missing_hour": Sample(
        MessageKind.BOOKING_CONFIRMATION,
        but(VISIT, starts="20270328023000", ends="20270328031500"),
    ),
    "booking_reason_in_lines": Sample(
        MessageKind.BOOKING_CONFIRMATION,
        but(VISIT, reason="Jag ser suddigt.\n\n\n- höger öga\n- sedan i maj <b>"),
    ),
    "changed_kind_of_visit": Sample(
        MessageKind.CHANGED,
        but(VISIT, time_type_name="Operation"),
        but(VISIT, time_type_name="Nybesök"),
    ),
    "changed_unit_without_names": Sample(
        MessageKind.CHANGED, but(VISIT, unit_name=""), but(VISIT, unit_name="", unit=OTHER_UNIT)
    ),
    "moved_says_less": Sample(
        MessageKind.CHANGED_TIME,
        but(LATER, performer_name="", care_type_name=""),
        but(VISIT, purpose="Fasta.", reason="Ont", time_type_name="Nybesök"),
    ),
    "booking_over_midnight": Sample(
        MessageKind.BOOKING_CONFIRMATION,
        but(VISIT, starts="20261231233000", ends="20270101001500"),
    ),
    "booking_hostile_names": Sample(
        MessageKind.BOOKING_CONFIRMATION,
        but(
            VISIT,
            unit_name='<script>alert("1")</script>\r\nBcc: alla',
            performer_name="{{ new }} & <b onclick=x>Bo</b>",
            reason="<img src=x onerror=alert(1)>",
            purpose="<para onclick='x'>Hej <a href='javascript:x'>du</a></para><script>x</script>",
        ),
    ),
    "timed_call_without_purpose": Sample(MessageKind.TIMED_CALL, but(CALL, purpose="")),
    "open_call_phone_only": Sample(
        MessageKind.OPEN_CALL, but(OPEN_CALL, rebook_allowed=None, cancel_allowed=None)
    ),
    "changed_less_is_known": Sample(
        MessageKind.CHANGED,
        but(VISIT, performer_name="", care_type_name="", cancel_allowed=False),
        but(VISIT, rebook_allowed=False),
    ),
    "changed_more_is_known": Sample(
        MessageKind.CHANGED,
        but(VISIT, reason="Ont i ögat"),
        but(VISIT, performer_name="", care_type_name="", cancel_allowed=False),
    ),
    "changed_hostile_names": Sample(
        MessageKind.CHANGED,
        but(
            VISIT, unit_name="<script>alert(1)</script>", performer_name="<b onclick=x>Bo</b> & Co"
        ),
        but(VISIT, unit_name="<i>Gamla</i>", performer_name="<!-- Anna"),
    ),
    "moved_became_call": Sample(MessageKind.CHANGED_TIME, but(LATER, is_call_letter=True), VISIT),
}


@pytest.fixture(scope="module")
def wording() -> Wording:
    return Wording()


@pytest.mark.parametrize("name", CASES)
def test_message(wording: Wording, name: str) -> None:
    case = CASES[name]
    letter = wording.render_sample(case)
    parts = {"subject.txt": letter.subject + "\n", "txt": letter.text, "html": letter.html + "\n"}
    for part, text in parts.items():
        assert text == golden(f"{name}.{part}", text)


def golden(name: str, text: str) -> str:
    file = GOLDEN / name
    if os.environ.get("BUDKAVLE_RENEW_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    return file.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    names = {f"{name}.{part}" for name in CASES for part in ("subject.txt", "txt", "html")}
    assert {file.name for file in GOLDEN.iterdir()} == names


def test_every_kind_has_a_sample() -> None:
    assert {sample.kind for sample in SAMPLES.values()} == set(MessageKind)
