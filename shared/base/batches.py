"""Batches of items of which no two in one batch may belong together."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def once_each(items: Iterable[T], keys: Callable[[T], Iterable[str]]) -> list[list[T]]:
    """As few batches as will do in which no key comes twice. What shares a key stays in its order,
    each in a later batch than the one before."""
    batches: list[list[T]] = []
    taken: Counter[str] = Counter()  # how many of the batches each key has a place in
    for item in items:
        own = [*keys(item)]
        place = max(taken[key] for key in own)
        if place == len(batches):
            batches.append([])
        batches[place].append(item)
        for key in own:
            taken[key] = place + 1
    return batches
