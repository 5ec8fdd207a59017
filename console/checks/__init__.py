"""The checks of `budkavle check`, before a deployment. Each module returns `Check`s."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"  # it works today
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One check and its result. `detail` holds no secret."""

    what: str
    verdict: Verdict
    detail: str = ""


def ok(what: str, detail: str = "") -> Check:
    return Check(what, Verdict.OK, detail)


def warning(what: str, detail: str) -> Check:
    return Check(what, Verdict.WARNING, detail)


def wrong(what: str, detail: str) -> Check:
    return Check(what, Verdict.WRONG, detail)
