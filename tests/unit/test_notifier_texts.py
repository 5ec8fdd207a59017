"""The words of a notice: ours are fit to send, and unfit ones are refused with the reason."""

from pathlib import Path

import pytest

from notifier.gsm import foreign_characters, septets
from notifier.texts import UnfitText, load_texts


@pytest.mark.parametrize(
    ("text", "length"),
    [("", 0), ("åäöÅÄÖ", 6), ("a€", 3), ("^{}\\[~]|", 16), ("rad\nrad", 7), ("@£$¥èéΔΦ", 8)],
)
def test_characters_of_gsm_03_38_are_counted(text: str, length: int) -> None:
    assert foreign_characters(text) == []
    assert septets(text) == length


@pytest.mark.parametrize("char", ["–", "—", "”", "“", "’", "…", "ç", "ë", "\t", "\u00a0", "😀"])
def test_characters_gsm_03_38_does_not_have(char: str) -> None:
    assert foreign_characters(f"a{char}b{char}") == [char]


def test_our_own_texts_can_be_sent() -> None:
    texts = load_texts()
    assert "inkorgen på 1177" in texts.sms
    assert septets(texts.sms) <= 160
    assert "\n" not in texts.email_subject
    assert texts.email_body.endswith(".\n")


def test_a_folder_replaces_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "sms.txt").write_text("Nytt meddelande i inkorgen på 1177.\n", encoding="utf-8")
    texts = load_texts(tmp_path)
    assert texts.sms == "Nytt meddelande i inkorgen på 1177."
    assert texts.email_body == load_texts().email_body


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("sms.txt", "x" * 161, "161 characters"),
        ("sms.txt", "€" * 81, "162 characters"),
        ("sms.txt", "Nytt – i inkorgen", r"outside GSM 03.38: '–' \(U\+2013\)"),
        ("sms.txt", " \n", "is empty"),
        ("sms.txt", "Hej {{ name }}", "a placeholder"),
        ("sms.txt", "Hej {namn}", "a placeholder"),
        ("sms.txt", "Hej $namn", "a placeholder"),
        ("sms.txt", "Hej %s", "a placeholder"),
        ("email_body.txt", "Hej <namn>", "a placeholder"),
        ("email_body.txt", "Tid kl. 09.30 hos oss", "a time of day"),
        ("email_body.txt", "Den 2026-12-03", "a date"),
        ("email_body.txt", "Den 3/12", "a date"),
        ("email_subject.txt", "Till 191212121212", "a person number"),
        ("email_subject.txt", "Till 121212-1212", "a person number"),
        ("email_subject.txt", "en rad\noch en till", "not one line"),
        ("email_subject.txt", "x" * 151, "not one line of at most 150"),
        ("email_body.txt", "x" * 10_001, "longer than"),
    ],
)
def test_unfit_texts_are_refused_with_the_reason(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UnfitText, match=reason) as refusal:
        load_texts(tmp_path)
    assert name in str(refusal.value)


def test_160_characters_are_one_part(tmp_path: Path) -> None:
    (tmp_path / "sms.txt").write_text("å" * 158 + "€", encoding="utf-8")
    assert septets(load_texts(tmp_path).sms) == 160


def test_a_phone_number_of_the_service_is_not_personal(tmp_path: Path) -> None:
    (tmp_path / "email_body.txt").write_text("Ring 0771-11 77 00 eller 1177.", encoding="utf-8")
    assert "0771" in load_texts(tmp_path).email_body


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sms.txt").write_bytes("på".encode("latin-1"))
    with pytest.raises(UnfitText, match="cannot be read: UnicodeDecodeError"):
        load_texts(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnfitText, match="does not exist"):
        load_texts(tmp_path / "nowhere")
