"""Groups of test rows, the same for all seeds: what they do to all seeds alike is the noise of the rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_GROUPS, FEWEST_GROUPS, SMALLEST_GROUP = 10, 5, 15


def row_groups(rows: NDArray[np.integer[Any]], *, order: NDArray[np.integer[Any]]) -> NDArray[np.int64] | None:
    """Divide the rows of a pool into groups that are the same for all seeds, given the test rows `(S, n)` of each.

    Row r belongs to group order[r] modulo G, `order` being a random order of the pool, or of what its rows belong to:
    rows as they come may be sorted or repeat themselves (digits were written in turn, so that r modulo 10 would tell
    the class). G is the largest of 10 to 5 for which every seed has 15 test rows or more in every group; None where
    there is no such G.

    >>> int(row_groups(np.arange(80)[None], order=np.arange(80)).max())
    4
    """
    for count in range(MOST_GROUPS, FEWEST_GROUPS - 1, -1):
        groups: NDArray[np.int64] = order[rows].astype(np.int64) % count
        if _group_sizes(groups, count).min() >= SMALLEST_GROUP:
            return groups
    return None


def smallest_group(groups: NDArray[np.integer[Any]]) -> int:
    """Rows of the smallest group of any seed, given the group of each test row `(S, n)`.

    >>> smallest_group(np.array([[0, 1, 1, 0, 0], [0, 0, 1, 0, 0]]))
    1
    """
    return int(_group_sizes(groups, int(groups.max()) + 1).min())


def rows_of_groups(
    groups: NDArray[np.integer[Any]], shape: tuple[int, ...], *, size: int | None = None
) -> NDArray[np.int64]:
    """Positions `(S, G, m)` of the first m test rows of each group, m being `size` or the size of the smallest."""
    if groups.shape != shape or groups.min() < 0:
        raise ValueError(f"groups must be 0 or more, of shape {shape}, got {groups.min()} and {groups.shape}")
    sizes = _group_sizes(groups, int(groups.max()) + 1)
    if sizes.min() < 1:
        raise ValueError(f"groups must each have a test row in every seed, got sizes {sizes.tolist()}")
    first = np.cumsum(sizes, axis=-1) - sizes
    order = np.argsort(groups, axis=-1, kind="stable")
    positions = (first[..., None] + np.arange(size or sizes.min())).reshape(len(groups), -1)
    return np.take_along_axis(order, positions, axis=-1).reshape(*sizes.shape, -1)


def _group_sizes(groups: NDArray[np.integer[Any]], count: int) -> NDArray[np.int64]:
    return np.stack([np.bincount(row, minlength=count) for row in groups])
