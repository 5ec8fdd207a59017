"""Settings that every process reads. Each stage's own stand in its `settings.py`.

All come from the environment (`BUDKAVLE_…`); any of them may stand instead in a file of that name,
in lower case, in the folder `BUDKAVLE_SECRETS_DIR` (as Docker and Kubernetes mount secrets).
Secrets are never taken from the command line.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from shared.base.addresses import split_bind
from shared.base.errors import WrongSettings
from shared.base.known_settings import SETTINGS
from shared.base.misspelt import misnamed_secrets, misspelt


@contextmanager
def blaming(settings: str) -> Iterator[None]:
    """Trouble of the operating system in here comes from what `settings` name: `WrongSettings`."""
    try:
        yield
    except OSError as error:
        raise WrongSettings(f"{settings}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    """Without the address or path, which the text of some errors repeats."""
    if isinstance(error, ssl.SSLError) or error.errno is None:
        return str(error)
    return os.strerror(error.errno)


def words_of(text: str) -> list[str]:
    """The words of `"a b"` or `"a, b"`."""
    return text.replace(",", " ").split()


def split_words(text: object) -> object:
    """A setting of several words as a list of them; anything else as it is."""
    return words_of(text) if isinstance(text, str) else text


def is_bind(text: str) -> str:
    """`text`, if it is host:port. Raises ValueError."""
    split_bind(text)
    return text


def url_of(*schemes: str) -> AfterValidator:
    """Takes the empty text, and URLs of these schemes.

    None with a login in it: URLs appear in logs and lists of settings, and logins have secret
    settings of their own.
    """

    def check(url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in schemes or not parts.hostname or not _has_port(parts)):
            raise ValueError(f"is no URL of {' or '.join(schemes)}")
        if parts.username is not None:
            raise ValueError("holds a login")
        return url

    return AfterValidator(check)


def _has_port(parts: SplitResult) -> bool:
    """Whether the port is a number, or is left out."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


Bind = Annotated[str, AfterValidator(is_bind)]


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_words)]


_SECRETS_DIR = "BUDKAVLE_SECRETS_DIR"


class Settings(BaseSettings):
    """Read at the start of a process, from the environment or the folder of secrets."""

    model_config = SettingsConfigDict(
        env_prefix="BUDKAVLE_",
        frozen=True,
        hide_input_in_errors=True,
        extra="ignore",
        defer_build=True,
    )

    def __init__(self, **values: object) -> None:
        """Raises `WrongSettings`."""
        folder = _secrets_folder()
        _refuse_misspelt(folder)
        values.setdefault("_secrets_dir", folder)
        try:
            super().__init__(**values)  # type: ignore[arg-type]
        except ValidationError as error:
            raise WrongSettings(_faults_of(error)) from None
        except (SettingsError, OSError) as error:
            raise WrongSettings(f"{_SECRETS_DIR}: {error}") from None


def _secrets_folder() -> Path | None:
    """Without this check a folder that was not mounted would mean the defaults, unnoticed."""
    folder = os.environ.get(_SECRETS_DIR)
    if folder and not Path(folder).is_dir():
        raise WrongSettings(f"{_SECRETS_DIR}: there is no such folder")
    return Path(folder) if folder else None


def _refuse_misspelt(folder: Path | None) -> None:
    """A name that is no setting, anywhere, is one that was misspelt. Raises `WrongSettings`."""
    files = list(folder.iterdir()) if folder else []
    names = [path.name for path in files]
    faults = [_no_setting(name, nearest) for name, nearest in misspelt(os.environ).items()]
    faults += [
        f"{_SECRETS_DIR}: the file {_no_setting(name, nearest.lower())}"
        for name, nearest in {**misspelt(names), **misnamed_secrets(names)}.items()
    ]
    faults += [
        f"{_SECRETS_DIR}: {path.name} is a folder, not a file"
        for path in files
        if path.is_dir() and path.name.upper() in SETTINGS
    ]
    if faults:
        raise WrongSettings("; ".join(faults))


def _no_setting(name: str, nearest: str) -> str:
    return f"{name} is no setting" + (f"; did you mean {nearest}?" if nearest else "")


def _faults_of(error: ValidationError) -> str:
    """Which settings are wrong and why. A fault of several together names them itself."""
    faults = []
    for fault in error.errors(include_input=False, include_url=False):
        name = f"BUDKAVLE_{fault['loc'][0]}: ".upper() if fault["loc"] else ""
        faults.append(name + fault["msg"].removeprefix("Value error, "))
    return "; ".join(faults)
