"""From the element `ProcessNotification` to what can be taken of it.

Each engagement is judged by itself, because the index merges what systems send that know nothing
of each other (DOMAIN, "ProcessNotification").
"""

from typing import NamedTuple

from lxml import etree

from shared.booking.identity import SCHEDULING, service_domain
from shared.booking.messages import Engagement, RefusedEngagement
from shared.riv.engagements import Flaw, Unacceptable, read_engagement
from shared.riv.namespaces import PROCESS_NOTIFICATION
from shared.riv.xml import Element

#: Characters of a refused engagement that is kept; one of longest values has a tenth of it.
_LONGEST_KEPT = 32 * 1024

_TRANSACTION = f"{{{PROCESS_NOTIFICATION}}}engagementTransaction"


class NoEngagements(ValueError):
    """The request holds nothing that could be taken or refused."""


class Refusal(NamedTuple):
    """One engagement that cannot be taken: why, and what is kept of it."""

    place: str  # in the request
    element: str
    flaw: Flaw
    kept: RefusedEngagement

    @property
    def comment(self) -> str:
        return f"{self.place}/{self.kept.problem}"


class Judged(NamedTuple):
    """The engagements of a request, each in one of three ways."""

    taken: tuple[Engagement, ...]
    refused: tuple[Refusal, ...]
    #: How many cannot be read and are of a service domain that is not ours: nothing is lost.
    ignored: int


def read_engagements(notification: Element) -> Judged:
    """Every engagement of the request, in its order. Raises `NoEngagements`."""
    taken: list[Engagement] = []
    refused: list[Refusal] = []
    ignored = 0
    for number, transaction in enumerate(notification.iterfind(_TRANSACTION), start=1):
        try:
            taken.append(read_engagement(transaction))
        except Unacceptable as why:
            if _is_foreign(why):
                ignored += 1
            else:
                refused.append(_refusal(number, transaction, why))
    if not (taken or refused or ignored):
        raise NoEngagements("engagementTransaction is missing")
    return Judged(tuple(taken), tuple(refused), ignored)


def _is_foreign(why: Unacceptable) -> bool:
    return bool(why.service_domain) and service_domain(why.service_domain) != SCHEDULING


def _refusal(number: int, transaction: Element, why: Unacceptable) -> Refusal:
    document = etree.tostring(transaction, encoding="unicode", with_tail=False)
    kept = RefusedEngagement(
        source_system=why.source_system,
        problem=str(why),
        document=document if len(document) <= _LONGEST_KEPT else "",
    )
    return Refusal(f"engagementTransaction[{number}]", why.element, why.flaw, kept)
