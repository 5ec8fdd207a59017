"""Shared by all uses of libcurl: handles, unsent headers, trusted authorities, names of errors."""

import ssl
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import pycurl

#: Headers that libcurl sends by default, and that are left out.
UNSENT_HEADERS = (b"Accept:", b"Expect:")

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
    """
    if ca:
        return {pycurl.CAINFO_BLOB: ca.read_bytes()}
    own = ssl.get_default_verify_paths()
    options = ((pycurl.CAINFO, own.cafile), (pycurl.CAPATH, own.capath))
    return {option: path for option, path in options if path}


def error_name(code: int) -> str:
    """`E_COULDNT_CONNECT` and the like: safe to log, as libcurl's own texts are not."""
    return _NAMES.get(code, f"E_{code}")


class CurlPool:
    """libcurl's handles, each with its connection; the one used last is used next. Thread-safe.

    At most `size` idle ones are kept; None: all of them.
    """

    def __init__(self, options: Mapping[int, object], size: int | None = None) -> None:
        self._options = options
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
