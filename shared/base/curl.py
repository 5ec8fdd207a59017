"""Shared by all uses of libcurl: handles, unsent headers, trusted authorities, names of errors."""

import re
import ssl
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import pycurl

#: Headers that libcurl sends by default, and that are left out.
UNSENT_HEADERS = (b"Accept:", b"Expect:")

#: What we send is far smaller: a handle keeps 28 KiB less than with libcurl's default of 64 KiB.
_SMALL_BUFFER = {pycurl.UPLOAD_BUFFERSIZE: 16 * 1024}
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

#: Without those of other calls than `perform`, which have the same numbers.
_NAMES: dict[int, str] = {
    code: name
    for name, code in vars(pycurl).items()
    if name.startswith("E_") and not name.startswith(("E_MULTI_", "E_SHARE_"))
}

Options = dict[int, object]


def trust_options(ca: Path | None = None) -> Options:
    """Trust the authorities in `ca` (PEM), else the machine's own.

    libcurl may be built to look for those elsewhere. Raises OSError when `ca` cannot be read.

    Where all of those stand in a folder for OpenSSL, each in a file named after its hash, only the
    folder is used: a connection then reads the one it needs, and does not keep all, 0.8 MiB.
    """
    if ca:
        return {pycurl.CAINFO_BLOB: ca.read_bytes()}
    own = ssl.get_default_verify_paths()
    if own.cafile and own.capath and _holds_all(Path(own.capath), Path(own.cafile)):
        return {pycurl.CAINFO: None, pycurl.CAPATH: own.capath}
    options = ((pycurl.CAINFO, own.cafile), (pycurl.CAPATH, own.capath))
    return {option: path for option, path in options if path}


def _holds_all(folder: Path, bundle: Path) -> bool:
    """Whether each certificate in `bundle` is found in `folder` by its hash."""
    try:
        hashed = (_PEM.search(path.read_bytes()) for path in folder.glob("*.[0-9]"))
        there = {found[0] for found in hashed if found}
        return set(_PEM.findall(bundle.read_bytes())) <= there
    except OSError:
        return False


def error_name(code: int) -> str:
    """`E_COULDNT_CONNECT` and the like: safe to log, as libcurl's own texts are not."""
    return _NAMES.get(code, f"E_{code}")


class CurlPool:
    """libcurl's handles, each with its connection; the one used last is used next. Thread-safe.

    At most `size` idle ones are kept; None: all of them.
    """

    def __init__(self, options: Mapping[int, object], size: int | None = None) -> None:
        self._options = {**_SMALL_BUFFER, **options}
        self._idle: deque[pycurl.Curl] = deque(maxlen=size)

    def take(self) -> pycurl.Curl:
        try:
            return self._idle.pop()
        except IndexError:
            curl = pycurl.Curl()
            for option, value in self._options.items():
                curl.setopt(option, value)
            return curl

    def give_back(self, curl: pycurl.Curl) -> None:
        self._idle.append(curl)

    def close(self) -> None:
        self._idle.clear()
