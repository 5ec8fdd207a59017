"""Finds misspelt names of settings. Unnoticed, the setting would keep its default."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

from shared.base.known_settings import SETTINGS

_PREFIX = "BUDKAVLE"
#: How similar a first word must be to our prefix to be taken for it (0 to 1).
_MEANT = 0.75

#: Read from the environment, by no class of settings: by the command and by tests.
_OTHER_NAMES = {
    "BUDKAVLE_SECRETS_DIR",
    "BUDKAVLE_DEMO_BROKER",
    "BUDKAVLE_DEMO_DATABASE",
    "BUDKAVLE_PARENT_ON_STDIN",
    "BUDKAVLE_TEST_SERVICES",
    "BUDKAVLE_CONTRACTS",
    "BUDKAVLE_JAVA_CLIENT",
    "BUDKAVLE_EI_JAR",
    "BUDKAVLE_RENEW_GOLDEN",
}

#: What Kubernetes and Docker put into the environment for a service of ours, as they name it.
_SERVICE_LINK = re.compile(
    r".+_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)"
)


def misspelt(names: Iterable[str]) -> dict[str, str]:
    """The misspelt names among `names`, each with the nearest name of a setting.

    Case does not matter. The nearest is "" when none is near.
    """
    return {name: _nearest(name.upper()) for name in names if _is_misspelt(name.upper())}


def misnamed_secrets(names: Iterable[str]) -> dict[str, str]:
    """Those of the files `names` in the secrets folder that are meant as settings and are not read,
    each with the right name: `budkavle-broker-url`, as Kubernetes has it, or `broker_url`.
    """
    meant = {name: _right_secret(name) for name in names}
    return {name: right for name, right in meant.items() if right not in ("", name.lower())}


def _right_secret(name: str) -> str:
    plain = name.upper().replace("-", "_").replace(".", "_")
    for candidate in (plain, f"{_PREFIX}_{plain}"):
        if candidate in SETTINGS:
            return candidate.lower()
    return ""


def _is_misspelt(name: str) -> bool:
    if name in SETTINGS or name in _OTHER_NAMES or _SERVICE_LINK.fullmatch(name):
        return False
    first_word, separator, _ = name.partition("_")
    return bool(separator) and SequenceMatcher(None, first_word, _PREFIX).ratio() >= _MEANT


def _nearest(name: str) -> str:
    return next(iter(get_close_matches(name, {*SETTINGS, "BUDKAVLE_SECRETS_DIR"}, 1)), "")
