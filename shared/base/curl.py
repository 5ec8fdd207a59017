"""What every use of libcurl needs: whom TLS trusts, and names of errors."""

import ssl

import pycurl

#: Without those of other calls than `perform`, which have the same numbers.
_NAMES: dict[int, str] = {
    code: name
    for name, code in vars(pycurl).items()
    if name.startswith("E_") and not name.startswith(("E_MULTI_", "E_SHARE_"))
}

Options = dict[int, object]


def trust_options() -> Options:
    """Trust the machine's own certificate authorities; libcurl may be built to look elsewhere."""
    own = ssl.get_default_verify_paths()
    options = ((pycurl.CAINFO, own.cafile), (pycurl.CAPATH, own.capath))
    return {option: path for option, path in options if path}


def error_name(code: int) -> str:
    """`E_COULDNT_CONNECT` and the like: safe to log, as libcurl's own texts are not."""
    return _NAMES.get(code, f"E_{code}")
