"""The words of a notice: ours are fit to send, and unfit ones are refused with the reason."""

from pathlib import Path

import pytest

from notifier.texts import load_texts
from shared.base.text_folder import UnfitText
from shared.booking.gsm import foreign_characters, septets


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
    for sms in (texts.sms.one, texts.sms.several):
        assert "inkorgen på 1177" in sms
        assert foreign_characters(sms) == []
        assert septets(sms) <= 160
    assert texts.email_subject.several == "Du har fått nya meddelanden i inkorgen på 1177"
    assert "nya meddelanden" in texts.email_body.several
    assert "nya meddelanden i inkorgen" in texts.sms.several
    assert "ett nytt meddelande i inkorgen" in texts.sms.one


def test_a_folder_replaces_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "sms.txt").write_text("Nytt meddelande i inkorgen på 1177.\n", encoding="utf-8")
    texts = load_texts(tmp_path)
    assert texts.sms.one == "Nytt meddelande i inkorgen på 1177."
    assert texts.email_body == load_texts().email_body


def test_a_regions_text_about_one_message_stands_for_several_unless_it_has_one(
    tmp_path: Path,
) -> None:
    """Ours beside it would send people to another address, or in another tone."""
    (tmp_path / "sms.txt").write_text("Nytt i inkorgen hos oss.", encoding="utf-8")
    assert load_texts(tmp_path).sms.several == "Nytt i inkorgen hos oss."
    (tmp_path / "sms_several.txt").write_text("Flera nya hos oss.", encoding="utf-8")
    sms = load_texts(tmp_path).sms
    assert (sms.one, sms.several) == ("Nytt i inkorgen hos oss.", "Flera nya hos oss.")


def test_a_file_that_replaces_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sms_serveral.txt").write_text("Flera nya.", encoding="utf-8")
    with pytest.raises(UnfitText, match=r"sms_serveral\.txt: no template has that name"):
        load_texts(tmp_path)


def test_what_kubernetes_keeps_in_a_mounted_folder_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "..2026_12_03").mkdir()
    (tmp_path / "..2026_12_03" / "sms.txt").write_text("Nytt hos oss.", encoding="utf-8")
    (tmp_path / "..data").symlink_to("..2026_12_03")
    (tmp_path / "sms.txt").symlink_to("..data/sms.txt")
    assert load_texts(tmp_path).sms.one == "Nytt hos oss."


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
        ("sms_several.txt", "Nytt – i inkorgen", r"outside GSM 03.38: '–' \(U\+2013\)"),
        ("email_subject_several.txt", "Till 191212121212", "a person number"),
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
    assert septets(load_texts(tmp_path).sms.one) == 160


def test_a_phone_number_of_the_service_is_not_personal(tmp_path: Path) -> None:
    (tmp_path / "email_body.txt").write_text("Ring 0771-11 77 00 eller 1177.", encoding="utf-8")
    assert "0771" in load_texts(tmp_path).email_body.one


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sms.txt").write_bytes("på".encode("latin-1"))
    with pytest.raises(UnfitText, match="cannot be read: UnicodeDecodeError"):
        load_texts(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnfitText, match="no such folder"):
        load_texts(tmp_path / "nowhere")
