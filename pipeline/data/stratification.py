"""Stratified division of groups of rows: whole groups on one side, parts of exact size, every class in every part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

_TRAIN, _VALIDATION, _TEST = range(3)


@dataclass(frozen=True)
class Parts:
    """Row numbers of the parts of one seed; the test part may lack some rows of the rest."""

    train: Int64[np.ndarray, " train"]
    validation: Int64[np.ndarray, " validation"]
    test: Int64[np.ndarray, " test"]


@dataclass(frozen=True)
class GroupSizes:
    """Rows of each group, and how parts of exact size can be made of whole groups.

    Attributes:
        rows: of each group.
        fill: groups of so many rows or fewer, the fillers, fill parts up after all larger ones have found room.
    """

    rows: Int64[np.ndarray, " groups"]
    fill: int

    @classmethod
    def of(cls, groups: Int64[np.ndarray, " rows"]) -> GroupSizes:
        """Those of groups 0, 1, ... by the number of each row.

        A group of g rows that fits into none of three parts leaves less than 3 (g - 1) rows free. That cannot be while
        the fillers, whose rows are still to come, are 2 (g - 1) rows and those that are left out.
        """
        rows = np.bincount(groups).astype(np.int64)
        largest = int(rows.max())
        for fill in np.unique(rows):
            needed = 2 * (largest - 1) * (fill < largest) + 2 * (fill - 1)
            if rows[rows <= fill].sum() >= needed:
                return cls(rows, int(fill))
        return cls(rows, largest)

    @property
    def left_out(self) -> int:
        """Rows that a seed may have to leave out: train and validation each end within a filler."""
        return 2 * (self.fill - 1)


def divide(
    labels: Int64[np.ndarray, " rows"],
    groups: Int64[np.ndarray, " rows"],
    *,
    train: int,
    validation: int,
    rng: np.random.Generator,
) -> Parts:
    """Divide rows so that no group is on two sides, each class has its share of each part, and sizes are exact.

    Large groups find room first, in the part where the strata want them if it has room, then small ones fill up train,
    validation and test. Where train or validation is full within a group, the rest of that group is left out; the test
    part is cut to the size that it has for every seed, by leaving out rows at random.

    Args:
        labels: class of each row.
        groups: number of each row's group, 0, 1, ...
        train: rows.
        validation: rows; with those of train and `GroupSizes.left_out` no more than there are.
        rng: what is random.
    """
    sizes = GroupSizes.of(groups)
    test = len(labels) - train - validation - sizes.left_out
    bounds = np.array([train, train + validation]) / len(labels)
    keys = _stratified_keys(sizes.rows, strata_of(labels, groups), rng, bounds=bounds)
    order = np.lexsort((rng.random(len(keys)), keys))
    large = order[sizes.rows[order] > sizes.fill]
    room = np.array([train, validation, test])
    part = _find_room(sizes.rows[large], np.searchsorted(bounds, keys[large], side="right"), room)
    members = _Members(groups, rng)
    filled = _fill_up(members, order[sizes.rows[order] <= sizes.fill], *room[:_TEST])
    whole = [np.concatenate([members.rows(large[part == k]), filled[k]]) for k in range(3)]
    shuffled = [rng.permutation(rows) for rows in whole]
    return Parts(shuffled[_TRAIN], shuffled[_VALIDATION], np.sort(shuffled[_TEST][:test]))


def draw(labels: Int64[np.ndarray, " rows"], rows: int, rng: np.random.Generator) -> Int64[np.ndarray, " drawn"]:
    """Row numbers of a stratified random sample without replacement, shuffled."""
    singles = np.ones(len(labels), dtype=np.int64)
    keys = _stratified_keys(singles, labels, rng)
    order: Int64[np.ndarray, " drawn"] = rng.permutation(np.lexsort((rng.random(len(keys)), keys))[:rows])
    return order


def strata_of(labels: Int64[np.ndarray, " rows"], groups: Int64[np.ndarray, " rows"]) -> Int64[np.ndarray, " groups"]:
    """The stratum of each group: the rarest class that it holds, as its place among classes in order of their rows."""
    place = np.argsort(np.argsort(np.bincount(labels), kind="stable"))
    strata = np.full(int(groups.max()) + 1, len(place), dtype=np.int64)
    np.minimum.at(strata, groups, place[labels])
    return strata


class _Members:
    """The rows of each group, in random order."""

    def __init__(self, groups: Int64[np.ndarray, " rows"], rng: np.random.Generator) -> None:
        shuffled = rng.permutation(len(groups))
        self._order = shuffled[np.argsort(groups[shuffled], kind="stable")]
        self.sizes = np.bincount(groups)
        self._starts = np.cumsum(self.sizes) - self.sizes

    def rows(self, chosen: Int64[np.ndarray, " groups"]) -> Int64[np.ndarray, " rows"]:
        """Rows of these groups, one group after the other."""
        sizes = self.sizes[chosen]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows: Int64[np.ndarray, " rows"] = self._order[np.repeat(self._starts[chosen], sizes) + within]
        return rows


def _stratified_keys(
    sizes: Int64[np.ndarray, " groups"],
    strata: Int64[np.ndarray, " groups"],
    rng: np.random.Generator,
    *,
    bounds: Float64[np.ndarray, " 2"] | None = None,
) -> Float64[np.ndarray, " groups"]:
    """Where each group lies among the rows of its stratum, in random order, from 0 to 1: sorted by it, all are mixed.

    Given bounds, a stratum of three groups or more has one below the first, one between both and one above.
    """
    shuffled = rng.permutation(len(sizes))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    keys = np.empty(len(sizes))
    for members in np.split(order, np.cumsum(np.bincount(strata))[:-1]):
        rows = sizes[members]
        places = (np.cumsum(rows) - rows / 2) / max(rows.sum(), 1)
        keys[members] = places if bounds is None else _in_every_part(places, *bounds)
    return keys


def _in_every_part(keys: Float64[np.ndarray, " groups"], low: float, high: float) -> Float64[np.ndarray, " groups"]:
    """Ascending keys, of which the ends are moved so that each of three parts has one, given three."""
    if len(keys) < 3:
        return keys
    keys[0] = keys[0] if keys[0] < low else 0.0
    keys[-1] = keys[-1] if keys[-1] >= high else 1.0
    if not ((keys >= low) & (keys < high)).any():
        keys[min(max(int(np.searchsorted(keys, low)), 1), len(keys) - 2)] = (low + high) / 2
    return keys


def _find_room(
    sizes: Int64[np.ndarray, " groups"], wanted: Int64[np.ndarray, " groups"], room: Int64[np.ndarray, " 3"]
) -> Int64[np.ndarray, " groups"]:
    """The part of each group: the one that is wanted if it has room, else the one with most; `room` shrinks."""
    parts = np.empty(len(sizes), dtype=np.int64)
    for place, (size, part) in enumerate(zip(sizes, wanted, strict=True)):
        parts[place] = part if size <= room[part] else room.argmax()
        room[parts[place]] -= size
    return parts


def _fill_up(
    members: _Members, order: Int64[np.ndarray, " groups"], train: int, validation: int
) -> list[Int64[np.ndarray, " rows"]]:
    """Rows of groups in this order: so many for train and for validation, and the rest, each from a group's begin."""
    rows, ends = members.rows(order), np.concatenate([[0], np.cumsum(members.sizes[order])])
    begin = int(ends[np.searchsorted(ends, train)])
    rest = int(ends[np.searchsorted(ends, begin + validation)])
    return [rows[:train], rows[begin : begin + validation], rows[rest:]]
