"""Texts that a region may replace by files of the same names in a folder.

A file that has the name of none of our texts is refused: it is a misspelt name, and the text that
it was to replace would be sent in our wording.
"""

from pathlib import Path


class UnfitText(ValueError):
    """A text cannot be used. Says which file, and why."""


class TextFolder:
    """Raises `UnfitText` when `region` is no folder, or holds a file that replaces nothing.

    Names that begin with a dot are ignored: Kubernetes has such files in mounted folders.
    """

    def __init__(self, ours: Path, region: Path | None = None) -> None:
        self._ours = ours
        self._region = region
        if region is None:
            return
        if not region.is_dir():
            raise UnfitText(f"{region}: no such folder")
        for name in sorted(file.name for file in region.iterdir()):
            if not name.startswith(".") and not (ours / name).is_file():
                raise UnfitText(f"{region / name}: no template has that name")

    def replaces(self, name: str) -> bool:
        """Whether the region has its own."""
        return self._region is not None and (self._region / name).exists()

    def read(self, name: str) -> str:
        """The region's text of that name, or ours. Raises `UnfitText` if it cannot be read."""
        folder = self._region if self._region and self.replaces(name) else self._ours
        try:
            return (folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise UnfitText(f"{name} cannot be read: {type(error).__name__}") from error
