"""`make docs`: writes the table of settings into README.md, between its two marks."""

from pathlib import Path

from console.settings_table import markdown

README = Path(__file__).parents[1] / "README.md"
BEGIN = "<!-- settings: written by make docs -->"
END = "<!-- end of settings -->"


def with_table(text: str) -> str:
    """`text` with what stands between the marks replaced by the table as the classes tell it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{markdown()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
