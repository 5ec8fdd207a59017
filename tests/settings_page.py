"""`make docs`: writes the table of settings into docs/settings.md, between its two comments."""

from pathlib import Path

from console.settings_table import markdown

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
BEGIN = "<!-- settings: written by make docs -->"
END = "<!-- end of settings -->"


def with_table(text: str) -> str:
    """`text` with the table as the settings classes have it between the comments."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{markdown()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
