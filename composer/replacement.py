"""Which new booking took the place of which removed one: a matching with one solution, or none.

The rules and their reasons: docs/domain.md, "Rules of removal and replacement". In short:

- A removed booking counts if its patient believes in it and it lies ahead, or is an open call.
- A new booking is a candidate if the index announced it for the first time with the removal or
  after it, within the window. One announced to the index before the removal counts if it is not
  announced to the patient yet and is younger than the removed one.
- Evidence that they are one visit: the same booking id, which proves it at any unit and any time;
  or the same unit and the same kind of visit.
- Of all pairs with evidence those are taken that belong to the only way of pairing everybody.
  Where there is another way, nothing is guessed.

Pairs are looked for in tiers, the strongest first: by id, within one request, across requests; and
of each the visits before the open calls.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product

from composer.history import near, soon
from shared.booking.identity import hsa_key, is_hsa_id
from shared.booking.inbox import Announcement
from shared.booking.messages import BookingDetails

#: With more pairs than this to compare, only ids count: nobody rebooks fifty visits at once.
_MOST_PAIRS = 2_500


@dataclass(frozen=True, slots=True)
class Removed:
    """A booking that was removed, and in which its patient believes or did until just now."""

    booking: str
    same_id: str
    announcement: Announcement
    removed_at: datetime
    requests: frozenset[str]  # that removed it, as far as is known
    first_seen_at: datetime | None
    is_gone: bool  # the source has said so
    due: datetime  # until then a booking that takes its place may come
    #: Announced as cancelled, or the source does not answer about it: no pair, but a second choice.
    is_choice_only: bool = False
    #: One that may have taken its place was announced as new: only the same id is proof from then.
    unpaired: bool = False
    passed: frozenset[str] = frozenset()  # units (`hsa_key`) where it stood since, unannounced

    @property
    def name(self) -> str:
        """Unique among the nodes: one booking may be new to some and removed since."""
        return f"removed {self.booking}"

    @property
    def is_open_call(self) -> bool:
        return not self.announcement.starts

    def may_be_paired(self, *, by_id: bool) -> bool:
        return not self.is_choice_only and (by_id or not self.unpaired)


@dataclass(frozen=True, slots=True)
class New:
    """A booking that may have taken another one's place. Without `details` it is not known yet."""

    booking: str
    same_id: str
    unit: str
    details: BookingDetails | None
    first_seen_at: datetime
    request: str
    announcement: Announcement | None = None  # if the patient was told of it, as new
    stands_as: str = ""  # and what stands in its place now: itself, or what replaced it since
    passed: frozenset[str] = frozenset()  # units (`hsa_key`) where it stood before, unannounced

    @property
    def name(self) -> str:
        return f"new {self.booking}"


Node = Removed | New


@dataclass(frozen=True, slots=True)
class Pair:
    removed: Removed
    new: New


@dataclass(frozen=True, slots=True)
class Undecided:
    """Something that matters is not known yet; look again after `delay`."""

    delay: timedelta


Found = Pair | Undecided | None


def same_kind(old: BookingDetails, new: BookingDetails) -> bool | None:
    """Whether two bookings at one unit are for the same kind of visit; None: that is not known."""
    says = [
        is_same
        for is_same in (
            _same((old.time_type_id, new.time_type_id), (old.time_type_name, new.time_type_name)),
            _same((old.care_type_id, new.care_type_id), (old.care_type_name, new.care_type_name)),
        )
        if is_same is not None
    ]
    if says:
        return all(says)
    names = old.performer_name, new.performer_name
    ids = (old.performer, new.performer) if is_hsa_id(old.performer) else ("", "")
    return _same(ids, names) or None


def _same(*pairs: tuple[str, str]) -> bool | None:
    """Whether one of `pairs` is of equal texts; None when none is of two texts."""
    named = [(_plain(one), _plain(other)) for one, other in pairs if one and other]
    return any(one == other for one, other in named) if named else None


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


@dataclass(frozen=True, slots=True)
class _Tier:
    """One strength of evidence."""

    by_id: bool = False
    same_request: bool = False
    open_calls: bool = False


_BY_ID = _Tier(by_id=True)
_BY_KIND = (
    _Tier(same_request=True),
    _Tier(same_request=True, open_calls=True),
    _Tier(),
    _Tier(open_calls=True),
)


@dataclass(frozen=True)
class Replacements:
    """The pairs among `removed` and `new`, as things stand `now`."""

    removed: tuple[Removed, ...]
    new: tuple[New, ...]
    now: datetime
    window: timedelta

    def found_for(self, booking: str, *, removed: bool) -> Found:
        """What is known of the partner of `booking`, which was removed or is new.

        New bookings are decided first. When one is announced as new, so are all removals decided
        that may have been of its predecessor (`rivals`): what was not guessed then is not guessed
        later, when fewer are left.
        """
        found: dict[str, Pair | Undecided] = {}  # by name
        for tier in self._tiers:
            for component in _connected(self._edges(tier, found)):
                found.update(self._decide(tier, *component, found))
        partner = found.get(f"{'removed' if removed else 'new'} {booking}")
        has_choice = self._is_choice_of_a_new_one if removed else self._may_follow_a_pair
        if partner is None and has_choice(booking, found):
            return Undecided(soon(self.window))
        return partner

    def rivals(self, booking: str) -> Iterator[Removed]:
        """Those whose place `booking`, which is new, may have taken."""
        own = [each for each in self.new if each.booking == booking]
        for one, new in product(self.removed, own):
            if any(self._is_edge(tier, one, new) for tier in self._tiers):
                yield one

    def _is_choice_of_a_new_one(self, booking: str, found: Mapping[str, object]) -> bool:
        undecided = [
            new
            for new in self.new
            if new.announcement is None and not isinstance(found.get(new.name), Pair)
        ]
        own = [one for one in self.removed if one.booking == booking]
        return any(
            one.may_be_paired(by_id=tier.by_id) and self._is_edge(tier, one, new)
            for tier in self._tiers
            for one, new in product(own, undecided)
        )

    def _may_follow_a_pair(self, booking: str, found: Mapping[str, object]) -> bool:
        """Whether it may have taken a removed one's place, too, or that of the new one to which
        that is said to have changed, if the new one is gone again before the change is announced.
        """
        pairs = {
            pair.removed.booking: pair.new
            for pair in found.values()
            if isinstance(pair, Pair) and pair.new.announcement is None
        }
        if any(rival.booking in pairs for rival in self.rivals(booking)):
            return True
        own = [each for each in self.new if each.booking == booking]
        return any(self._may_follow(new, later) for new, later in product(pairs.values(), own))

    def _may_follow(self, new: New, later: New) -> bool:
        """Whether `later` is as a visit would be to which `new` was rebooked at once."""
        if new.details is None or later.details is None:
            return False
        is_soon = new.first_seen_at <= later.first_seen_at <= new.first_seen_at + self.window
        is_at_unit = hsa_key(new.unit) == hsa_key(later.unit)
        return is_soon and is_at_unit and same_kind(new.details, later.details) is True

    @property
    def _tiers(self) -> tuple[_Tier, ...]:
        few = len(self.removed) * len(self.new) <= _MOST_PAIRS
        return (_BY_ID, *_BY_KIND) if few else (_BY_ID,)

    def booked_instead(self, removed: Removed) -> Iterator[New]:
        """Visits that the patient was just given, and that may be meant instead of this one."""
        return (
            new
            for new in self.new
            if new.details is not None
            and new.details.starts != ""
            and new.booking != removed.booking
            and near(new.first_seen_at, removed.removed_at, self.window)
            and _at_one_unit(removed, new)
            and same_kind(removed.announcement.state, new.details) is not False
        )

    # --- what speaks for a pair ---

    def _edges(self, tier: _Tier, found: Mapping[str, object]) -> Iterator[tuple[Removed, New]]:
        """Of those for whom no stronger evidence was found, or may still be found."""
        removed = [each for each in self.removed if not isinstance(found.get(each.name), Pair)]
        new = [each for each in self.new if not isinstance(found.get(each.name), Pair)]
        if tier.by_id:
            ids = {each.same_id for each in removed} & {each.same_id for each in new}
            removed = [each for each in removed if each.same_id in ids]
            new = [each for each in new if each.same_id in ids]
        for one, other in product(removed, new):
            if self._is_edge(tier, one, other):
                yield one, other

    def _is_edge(self, tier: _Tier, removed: Removed, new: New) -> bool:
        if removed.booking in (new.booking, new.stands_as):
            return False  # it is that one
        is_near = near(new.first_seen_at, removed.removed_at, self.window)
        if tier.by_id:
            # Two that the patient knew side by side for a while are two, whatever their ids.
            return removed.same_id == new.same_id and (is_near or new.announcement is None)
        if removed.is_open_call is not tier.open_calls or not is_near:
            return False
        if tier.same_request and new.request not in removed.requests:
            return False
        if tier.open_calls and not tier.same_request and not removed.is_gone:
            return False  # no booking is held back for the sake of a call
        return _is_candidate(removed, new) and _may_be_one_visit(removed, new)

    # --- the matching ---

    def _decide(
        self,
        tier: _Tier,
        removed: list[Removed],
        new: list[New],
        found: Mapping[str, Pair | Undecided],
    ) -> Iterator[tuple[str, Pair | Undecided]]:
        nodes: list[Node] = [*removed, *new]
        before = next((found[node.name] for node in nodes if node.name in found), None)
        if isinstance(before, Undecided):  # of one there is still a better partner possible
            yield from ((node.name, before) for node in nodes)
            return
        if delay := self._undecided(tier, removed, new):
            yield from ((node.name, Undecided(delay)) for node in nodes)
            return
        choices = {
            one.name: [each for each in new if self._is_edge(tier, one, each)] for one in removed
        }
        for pair in _only_matching(removed, new, choices):
            if pair.removed.may_be_paired(by_id=tier.by_id):
                yield pair.removed.name, pair
                yield pair.new.name, pair

    def _undecided(
        self, tier: _Tier, removed: Iterable[Removed], new: Iterable[New]
    ) -> timedelta | None:
        """How long to wait before this component is looked at again; None: it can be decided."""
        waiting = [each for each in removed if each.may_be_paired(by_id=tier.by_id)]
        if not waiting:
            return None
        if not all(each.is_gone for each in waiting) or any(each.details is None for each in new):
            return soon(self.window)
        if tier != _Tier():
            return None  # only a visit of another request has to wait for other candidates
        rest = max(each.due for each in waiting) - self.now
        return rest if rest > timedelta(0) else None


def _is_candidate(removed: Removed, new: New) -> bool:
    """By when the index first announced it."""
    if new.first_seen_at >= removed.removed_at:
        return True
    seen = removed.first_seen_at
    return new.announcement is None and seen is not None and seen < new.first_seen_at


def _may_be_one_visit(removed: Removed, new: New) -> bool:
    """Evidence for one visit; or nobody knows yet, which has to be waited out."""
    if new.details is None:
        return True
    if not new.details.starts and not removed.is_open_call:
        return False  # an open call takes no visit's place
    return _at_one_unit(removed, new) and same_kind(removed.announcement.state, new.details) is True


def _at_one_unit(removed: Removed, new: New) -> bool:
    """Now, or while one of them was on its way to where it stands."""
    old_unit, new_unit = hsa_key(removed.announcement.key.logical_address), hsa_key(new.unit)
    return old_unit in (new_unit, *new.passed) or new_unit in removed.passed


def _connected(
    edges: Iterable[tuple[Removed, New]],
) -> Iterator[tuple[list[Removed], list[New]]]:
    neighbours: dict[str, list[Node]] = defaultdict(list)
    nodes: dict[str, Node] = {}
    for removed, new in edges:
        nodes |= {removed.name: removed, new.name: new}
        neighbours[removed.name].append(new)
        neighbours[new.name].append(removed)
    while nodes:
        reached = [nodes.pop(next(iter(nodes)))]
        for node in reached:
            reached += [
                nodes.pop(each.name) for each in neighbours[node.name] if each.name in nodes
            ]
        removed_ones = [node for node in reached if isinstance(node, Removed)]
        yield removed_ones, [node for node in reached if isinstance(node, New)]


def _only_matching(
    removed: list[Removed], new: list[New], choices: dict[str, list[New]]
) -> list[Pair]:
    """The pairs of the only matching that leaves nobody out; none when there is another choice.

    Somebody left out could change places with a neighbour's partner, so there is a choice. And in
    the only perfect matching of a bipartite graph somebody has a single neighbour: those two
    belong together, and so on with the rest.
    """
    if len(removed) != len(new):
        return []
    pairs: list[Pair] = []
    rest = list(removed)
    while rest:
        single = next((one for one in rest if len(choices[one.name]) == 1), None)
        if single is None:
            return []
        [partner] = choices[single.name]
        pairs.append(Pair(single, partner))
        rest.remove(single)
        choices = {
            name: [each for each in others if each is not partner]
            for name, others in choices.items()
        }
    return pairs
