"""Parses the engagements of a `ProcessNotification`; those that cannot be taken are kept apart.

Each engagement is judged by itself, because the index merges the updates of unrelated systems
(docs/domain.md, "The running index").
"""

from typing import NamedTuple

from lxml import etree

from shared.booking.identity import SCHEDULING, service_domain
from shared.booking.messages import Engagement, RefusedEngagement
from shared.riv.engagements import Flaw, Unacceptable, read_engagement
from shared.riv.namespaces import PROCESS_NOTIFICATION
from shared.riv.xml import Element

#: How many refused engagements of one request are kept. A request ought to hold none.
_MOST_KEPT = 1000
#: The longest one that is kept (twenty times the longest values), and all of a request
#: (characters).
_LONGEST_KEPT = 32 * 1024
_ROOM = 2 * 1024 * 1024

_TRANSACTION = f"{{{PROCESS_NOTIFICATION}}}engagementTransaction"


class NoEngagements(ValueError):
    """The request holds no engagement at all."""


class Refusal(NamedTuple):
    """An engagement that cannot be taken: the reason, and what is kept of it."""

    place: str  # in the request
    element: str
    flaw: Flaw
    kept: RefusedEngagement

    @property
    def comment(self) -> str:
        return f"{self.place}/{self.kept.problem}"


class Judged(NamedTuple):
    """The engagements of a request: taken, refused or ignored."""

    taken: tuple[Engagement, ...]
    refused: tuple[Refusal, ...]
    #: How many cannot be read and belong to another service domain: nothing is lost.
    ignored: int


def read_engagements(notification: Element) -> Judged:
    """Every engagement of the request, in its order. Raises `NoEngagements`."""
    taken: list[Engagement] = []
    refused = _Refusals()
    ignored = 0
    for number, transaction in enumerate(notification.iterfind(_TRANSACTION), start=1):
        try:
            taken.append(read_engagement(transaction))
        except Unacceptable as why:
            if _is_foreign(why):
                ignored += 1
            else:
                refused.add(number, transaction, why)
    judged = Judged(tuple(taken), refused.all(), ignored)
    if not any(judged):
        raise NoEngagements("engagementTransaction is missing")
    return judged


def _is_foreign(why: Unacceptable) -> bool:
    return bool(why.service_domain) and service_domain(why.service_domain) != SCHEDULING


class _Refusals:
    """The refused engagements of one request, bounded: serialised again they may be larger."""

    def __init__(self) -> None:
        self._kept: list[Refusal] = []
        self._more = 0
        self._room = _ROOM

    def add(self, number: int, transaction: Element, why: Unacceptable) -> None:
        if len(self._kept) == _MOST_KEPT:
            self._more += 1
            return
        kept = RefusedEngagement(
            source_system=why.source_system,
            problem=str(why),
            document=self._document(transaction),
        )
        place = f"engagementTransaction[{number}]"
        self._kept.append(Refusal(place, why.element, why.flaw, kept))

    def all(self) -> tuple[Refusal, ...]:
        """The kept ones, and one entry without a system for all that did not fit."""
        if not self._more:
            return tuple(self._kept)
        kept = RefusedEngagement(problem=f"{self._more} more could not be taken and are not kept")
        rest = Refusal("ProcessNotification", "engagementTransaction", Flaw.TOO_MANY, kept)
        return (*self._kept, rest)

    def _document(self, transaction: Element) -> str:
        if self._room <= 0:
            return ""
        document = etree.tostring(transaction, encoding="unicode", with_tail=False)
        self._room -= len(document)
        return document if len(document) <= _LONGEST_KEPT else ""
