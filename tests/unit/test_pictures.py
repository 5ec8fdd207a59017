"""What `make pictures` takes out of the demo's output."""

from pathlib import Path

from tests.pictures import settings_in, terminal


def test_settings_are_read_from_the_file_that_the_demo_names(tmp_path: Path) -> None:
    file = tmp_path / "settings.sh"
    file.write_text("export ONE=sqlite:////a\nexport TWO='a b'\n")
    printed = f"\x1b[1mTo join it:\x1b[0m\n  . {file}\nAddresses\n"
    assert settings_in(printed) == {"ONE": "sqlite:////a", "TWO": "a b"}


def test_the_drawing_ends_before_the_mail_and_brings_no_fonts() -> None:
    drawing = terminal("\n\x1b[32m✓\x1b[0m timed call\n  ✓ ... and an e-mail 3 s\nlater\n")
    assert "timed" in drawing
    assert "e-mail" not in drawing
    assert "later" not in drawing
    assert "@font-face" not in drawing
