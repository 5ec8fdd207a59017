"""A region's own wording; and templates at fault, found before any patient's message is."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from composer.samples import SAMPLES
from composer.wording import BrokenTemplate, Wording
from console.__main__ import app
from shared.booking.inbox import MessageKind

SAMPLE = SAMPLES["booking"]
#: Jinja takes what a macro gives to an HTML template for escaped.
UNFILTERED = """{% import "_sentences.txt" as sentences %}
{{ sentences.changes(old.shown, new.shown, changed, "", "") }}"""


def test_a_region_replaces_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "booking_confirmation.txt").write_text("Hej!\n{% include '_visit.txt' %}")
    letter = Wording(tmp_path).render(SAMPLE.kind, SAMPLE.details)
    usual = Wording().render(SAMPLE.kind, SAMPLE.details)
    assert letter.text.startswith("Hej!\nMottagning: Ögonmottagningen Sjöstad\n")
    assert (letter.subject, letter.html) == (usual.subject, usual.html)


def test_shared_sentences_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "_rest.txt").write_text("Ring oss.")
    assert "Ring oss." in Wording(tmp_path).render(SAMPLE.kind, SAMPLE.details).text


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("booking_confirmation.txt", "{% if %}", "booking_confirmation.txt, line 1"),
        ("booking_confirmation.html", "{{ new.shown.telephone }}", "telephone"),
        ("changed.txt", "{{ nya }}", "'nya' is undefined"),
        ("_sentences.txt", "", "whom"),
        ("booking_confirmaton.txt", "Hej", "no template has that name"),
        ("cancellation.html", "{{ new.shown.unit|safe }}", "names are not escaped"),
        ("_changes.html", UNFILTERED, "names are not escaped"),
    ],
)
def test_a_template_at_fault_is_told_at_once(
    tmp_path: Path, name: str, content: str, reason: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BrokenTemplate, match=reason):
        Wording(tmp_path)


def test_a_template_in_another_encoding_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "changed.txt").write_bytes("Ändrad".encode("latin-1"))
    with pytest.raises(BrokenTemplate, match=r"changed\.txt"):
        Wording(tmp_path)


def test_a_folder_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(BrokenTemplate, match="no such folder"):
        Wording(tmp_path / "none")


@pytest.mark.parametrize("kind", list(MessageKind))
def test_preview_shows_every_situation_of_a_kind(kind: MessageKind) -> None:
    text = CliRunner().invoke(app, ["preview", kind]).output
    page = CliRunner().invoke(app, ["preview", kind, "--html"]).output
    names = [name for name, sample in SAMPLES.items() if sample.kind is kind]
    assert [line.split(":")[0] for line in text.splitlines() if line.startswith("===")] == [
        f"=== {name}" for name in names
    ]
    assert page.startswith("<!doctype html>")
    assert page.count("<article>") == len(names)


def test_preview_of_broken_templates_says_why(tmp_path: Path) -> None:
    (tmp_path / "changed.txt").write_text("{% if %}")
    result = CliRunner().invoke(app, ["preview", "changed", "--templates", str(tmp_path)])
    assert result.exit_code == 2
    assert "changed.txt, line 1" in result.output


def test_a_region_may_use_what_jinja_has_in_every_piece(tmp_path: Path) -> None:
    (tmp_path / "_rest.txt").write_text("{% for n in range(3) %}{{ n }}{% endfor %}")
    assert "012" in Wording(tmp_path).render(SAMPLE.kind, SAMPLE.details).text
